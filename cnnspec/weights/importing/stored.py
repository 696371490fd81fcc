"""A weights file of another program enters; its layers leave, by name and shapes.

PyTorch's state dicts, as `torch.save` or safetensors have them, and weights files of Keras. What
a file is its first bytes say.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cnnspec.weights import safetensors_file, torch_file
from cnnspec.weights.contents import FLOATS, Array, Contents, Unreadable, kind_of
from cnnspec.weights.files import HDF5, SAFETENSORS
from cnnspec.weights.importing.words import natural, without_numbers
from cnnspec.weights.layout import Shapes

PYTORCH, KERAS = "pytorch", "keras"


class Group(NamedTuple):
    """A layer's tensors by their full names, in its own order.

    Args:
        row: what it shares with the layers that it stands in order with, where the file does
            not keep the order of all.
    """

    name: str
    tensors: Shapes
    row: str = ""


class Stored(NamedTuple):
    """What a file holds.

    Args:
        framework: whose axes the tensors have.
        ordered: the groups stand in an order in which they can run; else those of a row do.
        others: names of layers, those without tensors among them, as far as it has them.
        read: gives a tensor's numbers.
    """

    framework: str
    groups: list[Group]
    ordered: bool
    others: frozenset[str]
    read: Callable[[str], Array]


def open_stored(path: Path, form: str) -> Stored:
    """Args: form: of the file, as `files.form_of` tells it.

    Raises: Unreadable, OSError.
    """
    if form == HDF5:
        from cnnspec.weights.importing.hdf5 import read_keras

        found = read_keras(path)
    elif form == SAFETENSORS:
        found = state_dict(safetensors_file.read(path), ordered=False)
    else:
        found = state_dict(torch_file.read(path), ordered=True)
    if not found.groups:
        raise Unreadable("there are no weights in it")
    return found


def state_dict(contents: Contents, ordered: bool) -> Stored:
    """A state dict. In safetensors its tensors are sorted: their order is not in the file."""
    shapes = {
        name: array.shape
        for name, array in contents.tensors.items()
        if kind_of(array.dtype) in FLOATS  # counters and indices are no weights
    }
    if not ordered:
        shapes = {name: shapes[name] for name in sorted(shapes, key=natural)}
    groups = by_prefix(shapes, ".")
    if not ordered:
        groups = [group._replace(row=without_numbers(group.name)) for group in groups]
    read = contents.tensors.__getitem__
    return Stored(PYTORCH, groups, ordered, frozenset(), read)


def by_prefix(shapes: Shapes, mark: str) -> list[Group]:
    """Tensors grouped by what stands before the last mark of their names."""
    found: dict[str, Shapes] = {}
    for name, shape in shapes.items():
        found.setdefault(name.rpartition(mark)[0], {})[name] = shape
    return [Group(name, tensors) for name, tensors in found.items()]
