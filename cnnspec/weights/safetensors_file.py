"""A safetensors file enters, or leaves: tensors of any kind of numbers, never converted.

Source: the format's description, github.com/huggingface/safetensors: eight bytes with the
length of a JSON header (little-endian), the header, then all tensors without gaps.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from cnnspec.weights.contents import (
    ITEM_SIZES,
    Array,
    Contents,
    Unreadable,
    dtype_of,
    kind_of,
)

LONGEST_HEADER = 100_000_000  # bytes, as in the format's own library
ALIGNED = 8  # bytes that the header's length is a multiple of


def is_safetensors(start: bytes) -> bool:
    """Whether a file that begins so is meant to be one; 9 bytes are enough."""
    return start[8:9] == b"{"


def read(path: Path) -> Contents:
    """The tensors are views of the file: they are read when they are used.

    Raises: Unreadable.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise Unreadable(f"its header would be {length:,} bytes long")
        if length > size - 8:
            raise Unreadable(
                f"it is truncated: its header needs {length + 8:,} bytes, it has {size:,}"
            )
        header = _header(file.read(length))
    metadata = header.pop("__metadata__", None) or {}
    if not _is_texts(metadata):
        raise Unreadable("the metadata in its header are no texts by name")
    begins = 8 + length
    data: Array = np.empty(0, np.uint8)
    if size > begins:
        data = np.memmap(path, np.uint8, "r", offset=begins)
    return Contents(_tensors(header, data), metadata)


def _header(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name stands twice")
        return found

    try:
        header = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise Unreadable("its header is no mapping")
    return header


def _is_texts(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(
        isinstance(value, str) for value in metadata.values()
    )


def _tensors(header: dict[str, Any], data: Array) -> dict[str, Array]:
    found, ends = {}, 0
    for name, entry in sorted(header.items(), key=_begin):
        kind, shape, (begin, end) = _entry(name, entry)
        wanted = prod(shape) * ITEM_SIZES[kind]
        if begin != ends or end - begin != wanted:
            raise Unreadable(f"its header gives `{name}` other bytes than its own")
        if end > len(data):
            raise Unreadable(
                f"it is truncated: `{name}` ends at byte {end:,} of {len(data):,}"
            )
        found[name] = data[begin:end].view(dtype_of(kind)).reshape(shape)
        ends = end
    if ends != len(data):
        raise Unreadable("it goes on behind its last tensor")
    return found


def _begin(item: tuple[str, Any]) -> tuple[int, ...]:
    _, _, offsets = _entry(*item)
    return offsets


def _entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """A tensor's kind of numbers, shape, and first and last byte but one."""
    try:
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        sizes = [*shape, *offsets]
    except (TypeError, KeyError):
        raise Unreadable(f"its header says nothing of `{name}`'s place") from None
    whole = all(type(size) is int and size >= 0 for size in sizes)
    if not whole or len(offsets) != 2:
        raise Unreadable(f"its header has no whole numbers for `{name}`")
    if not isinstance(kind, str) or kind not in ITEM_SIZES:
        raise Unreadable(f"`{name}` has numbers of an unknown kind, {kind}")
    return kind, tuple(shape), tuple(offsets)


def write(file: IO[bytes], contents: Contents) -> None:
    """Tensors of wide numbers come first, so that each begins at a multiple of its own."""
    tensors = contents.tensors
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header: dict[str, Any] = {}
    if contents.metadata:
        header["__metadata__"] = contents.metadata
    begin = 0
    for name in names:
        array = tensors[name]
        end = begin + array.nbytes
        header[name] = {
            "dtype": kind_of(array.dtype),
            "shape": array.shape,
            "data_offsets": (begin, end),
        }
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNED)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        file.write(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data)
