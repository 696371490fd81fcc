"""A source of samples and the network's shapes enter; what data.py and `to_input` say leaves."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from cnnspec.datasets import (
    Arrays,
    Benchmark,
    Csv,
    DataSource,
    ImageFolder,
    Pooled,
    Synthetic,
    XOrO,
)
from cnnspec.emit.call import Code, Tuple, one_line, statement
from cnnspec.emit.files import is_resized
from cnnspec.emit.objective import ONE_OF_TWO, Objective
from cnnspec.emit.quote import docstring, literal, number
from cnnspec.shapes import MAPS, Shape
from cnnspec.training import takes_images

BYTES_PER_CALL = 1 << 24  # of samples that one call of a Keras graph gets
MOST_STEPS = 32
PATTERNS = 10  # of synthetic samples that are compared with themselves
# Of data.py, where it is not called as the source.
TEMPLATES = {
    "cifar10": "cifar",
    "cifar100": "cifar",
    "fashion_mnist": "mnist",
}
_TYPES = {"path": "str", "seed": "int"}  # the parameters of `load`
_OPTIONS = {"path": "data", "seed": "seed"}  # and what they are given


class Samples(NamedTuple):
    """The data of a program; sizes are with the channels last."""

    source: str
    template: str  # of data.py
    images: bool  # whether samples can be read from image files
    mapped: bool  # whether they may be larger than memory
    arrays: bool
    shape: str  # as in "224, 224, 3"
    shape_tuple: str
    spatial: bool
    axes: int  # of a sample
    height: int
    width: int
    channels: int
    rgb: bool
    one_channel: bool
    classes: int
    validation_split: str
    normalisation: str  # lines that set MEAN and STD; empty where there are none
    path_setting: str  # the line that sets PATH
    data_help: str  # of the option --data; empty where there is none
    stretch: bool
    samples: int
    unseen: int
    held_out: bool  # whether a share is set aside; else the source has its own split
    load_parameters: str
    load_arguments: str
    seeded: bool  # whether the data depend on the seed
    class_names: str  # the lines that set NAMES; empty where there are none
    stored: str  # a sample's shape in the file of arrays, as in "3, 224, 224"
    stored_shape: str
    channels_first: bool
    probabilities: bool
    input_type: str
    steps_per_call: int


def describe_samples(
    data: DataSource, given: Shape, outputs: int, goals: list[Objective]
) -> Samples:
    """What data.py says.

    Args:
        given: shape of the network's input.
        outputs: values of its widest output.
    """
    assert given.channels is not None
    sizes = channels_last(given)
    arrays = isinstance(data, Arrays)
    images = not arrays and takes_images(given)
    loading = ["path"] if "path" in data.values else []
    seeded = isinstance(data, Pooled | XOrO) or data.held_out is not None
    loading += ["seed"] if seeded else []
    channels_first = isinstance(data, Arrays) and data.layout == "channels_first"
    stored = given.sizes if channels_first else sizes
    height, width = given.spatial if images else (0, 0)
    return Samples(
        source=data.values["source"],
        template=TEMPLATES.get(data.values["source"], data.values["source"]),
        images=images,
        mapped=isinstance(data, Arrays | ImageFolder | Csv) or is_resized(data, given),
        arrays=arrays,
        shape=_listed(sizes),
        shape_tuple=one_line(literal(sizes)),
        spatial=given.layout == MAPS,
        axes=len(sizes),
        height=height,
        width=width,
        channels=given.channels,
        rgb=given.channels == 3,
        one_channel=given.layout == MAPS and given.channels == 1,
        classes=_classes(data, outputs, goals[0]),
        validation_split=number(data.held_out or 0),
        normalisation="\n".join(_normalisation(data)),
        path_setting="\n".join(_path(data)),
        data_help=_data_help(data),
        stretch=data.values.get("fit") == "stretch",
        samples=data.samples if isinstance(data, Synthetic | XOrO) else 0,
        unseen=data.unseen if isinstance(data, XOrO) else 0,
        held_out=data.held_out is not None,
        load_parameters=", ".join(f"{name}: {_TYPES[name]}" for name in loading),
        load_arguments=", ".join(f"args.{_OPTIONS[name]}" for name in loading),
        seeded=seeded,
        class_names="\n".join(_class_names(data)),
        stored=_listed(stored),
        stored_shape=one_line(literal(stored)),
        channels_first=channels_first and len(sizes) > 1,
        probabilities=any(goal.loss == "binary_cross_entropy" for goal in goals),
        input_type="tf.float32" if arrays else "tf.uint8",
        steps_per_call=_steps_per_call(
            data.batch_size * prod(sizes) * (4 if arrays else 1)
        ),
    )


def _classes(data: DataSource, outputs: int, goal: Objective) -> int:
    """How many classes data.py prepares; 0 where it takes as many as there are."""
    if goal.reproduces:
        return data.class_count or (PATTERNS if isinstance(data, Synthetic) else 0)
    return 2 if goal.wanted == ONE_OF_TWO and outputs == 1 else outputs


def channels_last(shape: Shape) -> tuple[int, ...]:
    """A sample's sizes as data.py and Keras have them."""
    if shape.layout == MAPS:
        return (*shape.spatial, shape.sizes[0])
    return shape.sizes


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes))


def _steps_per_call(batch_bytes: int) -> int:
    """The largest power of two of batches that are not too much at once."""
    steps = MOST_STEPS
    while steps > 1 and steps * batch_bytes > BYTES_PER_CALL:
        steps //= 2
    return steps


def normalize_of(data: DataSource) -> dict[str, float | tuple[float, ...]] | None:
    """Mean and deviation; None where values are taken as they are."""
    if isinstance(data, Synthetic):
        return {"mean": 0.5, "std": 0.25}
    found: dict[str, float | tuple[float, ...]] | None = data.values["normalize"]
    return found


def _normalisation(data: DataSource) -> list[str]:
    given = normalize_of(data)
    if given is None:
        return []
    mean, std = given["mean"], given["std"]
    what = "of values scaled to 0..1"
    if isinstance(data, Arrays):
        what = "of 8-bit values scaled to 0..1, of others as they are"
    comment = f"# per channel, {what}" if isinstance(mean, tuple) else f"# {what}"
    return [
        *statement("MEAN = ", _code(mean), 0, comment),
        *statement("STD = ", _code(std), 0),
    ]


def _code(value: float | tuple[float, ...]) -> Code:
    if isinstance(value, tuple):
        return Tuple(tuple(number(item) for item in value))
    return number(value)


def _path(data: DataSource) -> list[str]:
    path = data.values.get("path")
    if path is None:
        return []
    what = "one folder per class"
    if isinstance(data, Arrays):
        what = "a file .npz or a folder of x.npy and y.npy"
    if isinstance(data, Csv):
        what = "a file .csv with columns path and label"
    if isinstance(data, Benchmark):
        what = f"the folder of {data.title}"
    comment = f"# {what}; relative to where the program is started"
    return statement("PATH = ", literal(path), 0, comment)


def _data_help(data: DataSource) -> str:
    if isinstance(data, ImageFolder):
        return "folder that holds one folder of images per class"
    if isinstance(data, Arrays):
        return "file .npz, or folder with x.npy and y.npy"
    if isinstance(data, Csv):
        return "file .csv with the columns path and label"
    if isinstance(data, Benchmark):
        return f"folder that holds {data.title}"
    return ""


def _class_names(data: DataSource) -> list[str]:
    if not isinstance(data, Csv) or data.classes is None:
        return []
    return statement("NAMES = ", Tuple(tuple(map(literal, data.classes))), 0)


def source_words(data: DataSource) -> str:
    """What the data are called; empty where only their path tells."""
    if isinstance(data, Benchmark):
        return data.title
    words = {
        "digits": "scikit-learn's digits",
        "synthetic": "synthetic patterns",
        "x_or_o": "drawn letters X and O",
    }
    return words.get(data.values["source"], "")


class Feeding(NamedTuple):
    """How `to_input` makes what the network takes."""

    to_input_docstring: str
    normalised: str  # the code of the result; empty where nothing is to be done
    mean_per_channel: bool
    std_per_channel: bool
    per_channel: str
    tensor: str  # what the PyTorch code calls the samples
    channels_second: str


def describe_feeding(data: DataSource, given: Shape, target: str) -> Feeding:
    sizes = channels_last(given)
    kind = "float32" if isinstance(data, Arrays) else "uint8"
    source = f"(N, {_listed(sizes)}) {kind}"
    goal = "float32"
    moved = target == "pytorch" and given.layout == MAPS
    if moved:
        goal = f"(N, {_listed(given.sizes)}) float32"
    normalize = normalize_of(data)
    how = ", normalised on the device" if normalize else ""
    text = f"{source} -> {goal}{how}."
    if not (moved or normalize):
        text = f"{source}, as the network takes it."
    tensor = "images" if given.rank == 2 else "samples"
    name = tensor if target == "pytorch" else "x"
    mean, std = (normalize or {}).get("mean"), (normalize or {}).get("std")
    per_mean, per_std = isinstance(mean, tuple), isinstance(std, tuple)
    value = name
    if not isinstance(data, Arrays):
        value = (
            f"{name} / 255" if target == "pytorch" else "tf.cast(x, tf.float32) / 255"
        )
    torch_mean = "mean" if per_mean and target == "pytorch" else "MEAN"
    torch_std = "std" if per_std and target == "pytorch" else "STD"
    rank = given.rank
    return Feeding(
        to_input_docstring="\n".join(docstring(text, 4)),
        normalised=f"({value} - {torch_mean}) / {torch_std}" if normalize else "",
        mean_per_channel=per_mean,
        std_per_channel=per_std,
        per_channel=f".view(-1{', 1' * rank})" if rank else "",
        tensor=tensor,
        channels_second=_channels_second(rank) if moved else "",
    )


def _channels_second(rank: int) -> str:
    axes = [0, rank + 1, *range(1, rank + 1)]
    return f".permute({', '.join(map(str, axes))})"
