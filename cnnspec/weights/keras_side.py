"""Reads or writes a `.weights.h5` file: `python -m cnnspec.weights.keras_side`.

The working folder holds the generated model.py and task.json: {"task": "read" or "write",
"file": path, "function": the model's, "heads": whether it has some for training}. Variables lie
beside them as variables.safetensors, by path. Where each lies in the file Keras itself tells:
the model saves itself with variables that are all their own numbers.
"""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

os.environ["KERAS_BACKEND"] = "tensorflow"

import h5py
import keras
import numpy as np

from cnnspec.weights.contents import Array, Contents, Unreadable, dtype_of
from cnnspec.weights.safetensors_file import read, write

BFLOAT16 = "bfloat16"  # HDF5 has no such numbers: Keras names them in an attribute


class Place(NamedTuple):
    """A variable and its shape, by the data set's name in the file."""

    path: str
    shape: tuple[int, ...]


def main() -> None:
    folder = Path.cwd()
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    keras.config.set_floatx("float32")  # whatever the user's settings are
    keras.config.set_image_data_format("channels_last")
    build = getattr(import_module("model"), task["function"])
    models = [build(training=True), build()] if task["heads"] else [build()]
    own = folder / "own.weights.h5"
    try:
        if task["task"] == "write":
            places = places_of(models[0], own)
            fill(own, places, read(folder / "variables.safetensors").tensors)
            os.replace(own, task["file"])
        else:
            every = [places_of(model, own) for model in models]
            found = take(task["file"], every)
            with open(folder / "variables.safetensors", "wb") as file:
                write(file, Contents(found.pop("arrays"), {}))
            (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
    except Unreadable as fault:
        (folder / "fault.json").write_text(json.dumps(str(fault)), encoding="utf-8")


def places_of(model: Any, file: Path) -> dict[str, Place]:
    """Saves a model; returns where its variables lie."""
    for number, variable in enumerate(model.weights):
        variable.assign(np.full(variable.shape, number, "float32"))
    model.save_weights(file)
    places = {}
    with h5py.File(file) as saved:
        for name, data in data_sets(saved).items():
            if data.dtype.kind == "f":  # a dropout's seed is none
                variable = model.weights[int(data[(0,) * data.ndim])]
                places[name] = Place(variable.path, data.shape)
    return places


def data_sets(file: Any) -> dict[str, Any]:
    """Those of an HDF5 file by name; links to other files are not followed."""
    found = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def take(path: str, every: list[dict[str, Place]]) -> dict[str, Any]:
    """The arrays that fit; shapes of those that don't, and of data sets that no model has.

    Args:
        every: places of each model that may have been saved; the nearest is meant.
    """
    try:
        with h5py.File(path) as file:
            if "layers" not in file:
                raise Unreadable(
                    "it holds no weights as Keras 3 saves them: load it in Keras, and save "
                    "`model.save_weights('NAME.weights.h5')`"
                )
            sets = data_sets(file)
            places = max(every, key=lambda places: len(places.keys() & sets.keys()))
            arrays, shapes = {}, {}
            for name, data in sets.items():
                place = places.get(name)
                if place and place.shape == data.shape:
                    arrays[place.path] = array_of(name, data)
                elif place or _is_weight(name):
                    shapes[place.path if place else name] = data.shape
    except (OSError, RuntimeError, KeyError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise Unreadable(f"it is damaged ({lines[0][:120]})") from error
    return {"arrays": arrays, "shapes": shapes}


def _is_weight(name: str) -> bool:
    """Neither a number of the optimizer, which a trained model saves too, nor a seed."""
    return name.startswith("layers/") and "seed_generator" not in name


def array_of(name: str, data: Any) -> Array:
    found = np.array(data)
    if data.attrs.get("dtype") == BFLOAT16:
        return found.view(dtype_of("BF16"))
    if found.dtype.kind not in "fiub":
        raise Unreadable(f"`{name}` holds no numbers")
    return found.astype(found.dtype.newbyteorder("<"))


def fill(path: Path, places: dict[str, Place], arrays: dict[str, Array]) -> None:
    """Puts arrays, in their own kind of numbers, where the model's variables lie."""
    with h5py.File(path, "r+") as file:
        for name, place in places.items():
            array = arrays[place.path]
            if array.dtype == file[name].dtype:
                file[name][...] = array
                continue
            del file[name]
            if array.dtype == dtype_of("BF16"):
                file.create_dataset(name, data=array.view("V2"))
                file[name].attrs["dtype"] = BFLOAT16
            else:
                file.create_dataset(name, data=array)


if __name__ == "__main__":
    main()
