"""What a file of weights holds: tensors by name, of whatever kind of numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Kinds of numbers by their names in safetensors, and their bytes.
ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
    "C64": 8,
}
FLOATS = ("F16", "BF16", "F32", "F64")  # of weights
_NUMPY = {"F": "f", "I": "i", "U": "u", "C": "c"}
_LACKED = ("BF16", "F8_E4M3", "F8_E5M2")  # by numpy


class Unreadable(Exception):
    """A file holds no weights that can be read, and why."""


class Contents(NamedTuple):
    """Tensors by name, and texts about them.

    What numpy has no numbers for, such as bfloat16, is in arrays of a single field that bears
    the kind's name, bit by bit.
    """

    tensors: dict[str, Array]
    metadata: dict[str, str]


def dtype_of(kind: str) -> np.dtype[Any]:
    """The type of arrays that hold numbers of a kind."""
    size = ITEM_SIZES[kind]
    if kind in _LACKED:
        return np.dtype([(kind, f"<u{size}")])
    return np.dtype("?" if kind == "BOOL" else f"<{_NUMPY[kind[0]]}{size}")


_KINDS = {dtype_of(kind): kind for kind in ITEM_SIZES}


def kind_of(dtype: np.dtype[Any]) -> str:
    """The kind of an array's numbers; another's name where it is none of these."""
    return _KINDS.get(dtype, dtype.name)
