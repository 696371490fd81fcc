"""A weights file of Keras enters; what it holds leaves.

There are two formats. `model.save_weights("x.weights.h5")` of Keras 3 writes a tree in which a
group `vars` has a layer's variables by number and, as an attribute, its name. The older one, in
which keras.applications publishes, lists layers and the names of their variables in attributes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cnnspec.weights.contents import Array, Unreadable
from cnnspec.weights.importing.stored import KERAS, Group, Stored
from cnnspec.weights.importing.words import natural
from cnnspec.weights.layout import Shapes

OLD = "layer_names"
Found = tuple[list[Group], dict[str, str], bool, frozenset[str]]


def read_keras(path: Path) -> Stored:
    """Raises: Unreadable."""
    import h5py

    try:
        with h5py.File(path) as file:
            root = _root(file)
            found = _old(root) if OLD in root.attrs else _new(root)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise Unreadable("it is no weights file of Keras, or is damaged") from error
    groups, places, ordered, others = found

    def read(name: str) -> Array:
        try:
            with h5py.File(path) as file:
                array: Array = _root(file)[places[name]][()]
        except OSError as error:
            raise Unreadable(f"`{name}` in it is damaged") from error
        return array.astype(array.dtype.newbyteorder("<"))

    return Stored(KERAS, groups, ordered, others, read)


def _root(file: Any) -> Any:
    """Where the weights are: a whole model, saved the older way, has them in a group."""
    return file.get("model_weights", file)


def _old(root: Any) -> Found:
    groups, places = [], {}
    layers = [_text(name) for name in root.attrs[OLD]]
    for layer in layers:
        owners: dict[str, Shapes] = {}
        for name in map(_text, root[layer].attrs["weight_names"]):
            item = root[layer][name]
            if item.dtype.kind == "f":
                owner, _, last = name.partition(":")[0].rpartition("/")
                owner = (
                    owner if f"{owner}/".startswith(f"{layer}/") else f"{layer}/{owner}"
                )
                owner = owner.rstrip("/")
                owners.setdefault(owner, {})[f"{owner}/{last}"] = item.shape
                places[f"{owner}/{last}"] = f"{layer}/{name}"
        groups += [Group(owner, tensors) for owner, tensors in owners.items()]
    return groups, places, True, frozenset(layers)


def _new(root: Any) -> Found:
    """The order of layers is in their numbers: `conv2d`, `conv2d_1`, …"""
    tree: dict[str, Any] = {}
    root.visititems(lambda path, item: tree.update({path: item}))
    names = {
        path.rpartition("vars")[0]: _text(item.attrs["name"])
        for path, item in tree.items()
        if path.split("/")[-1] == "vars" and "name" in item.attrs
    }
    groups, places = [], {}
    for path in sorted(tree, key=_depth_then_number):
        above, _, last = path.rpartition("/")
        if last != "vars" or above.split("/")[0] == "optimizer":
            continue
        name, tensors = _name(f"{above}/", names), {}
        for number in sorted(tree[path], key=int):
            if tree[path][number].dtype.kind == "f":
                tensors[f"{name}/{number}"] = tree[path][number].shape
                places[f"{name}/{number}"] = f"{path}/{number}"
        if tensors:
            groups.append(Group(name, tensors, _row(above)))
    ordered = all(place.startswith("layers/") for place in places.values())
    return groups, places, ordered, frozenset(names.values())


def _depth_then_number(path: str) -> tuple[int, list[tuple[int, str]]]:
    """Layers of a model in the model come first: what is put behind it stands outside."""
    return -path.count("layers/"), natural(path)


def _name(path: str, names: dict[str, str]) -> str:
    """The names of a layer and of those that it is in; what has no name goes by its path."""
    parts = path.rstrip("/").split("/")
    whole = ["/".join(parts[: end + 1]) + "/" for end in range(len(parts))]
    return "/".join([names[at] for at in whole if at in names]) or path.rstrip("/")


def _row(path: str) -> str:
    return "/".join([re.sub(r"_[0-9]+$", "", part) for part in path.split("/")])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
