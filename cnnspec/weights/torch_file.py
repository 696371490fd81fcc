"""A file of torch.save enters, or leaves: the state dict in it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np

from cnnspec.weights.contents import Array, Contents, Unreadable, dtype_of

INSIDE = ("state_dict", "model")  # keys of a checkpoint that hold the state dict
# Kinds of numbers that numpy lacks: PyTorch's name, ours, and whole numbers of their size.
LACKED = {
    "bfloat16": ("BF16", "int16"),
    "float8_e4m3fn": ("F8_E4M3", "uint8"),
    "float8_e5m2": ("F8_E5M2", "uint8"),
}


def read(path: Path) -> Contents:
    """Runs no code of the file: of its pickle only tensors and plain data are made.

    Raises: Unreadable.
    """
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of storages in old files
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file makes it raise
        raise Unreadable(_why(error)) from error
    return Contents(
        {name: _array(name, tensor) for name, tensor in _state(found).items()}, {}
    )


def _why(error: Exception) -> str:
    if re.search("(?i)unsupported global|can only (create|build)", str(error)):
        return (
            "it holds more than tensors and plain data, which is not run: save "
            "`model.state_dict()`"
        )
    return "it is no file of torch.save, or is damaged"


def _state(found: Any) -> dict[str, Any]:
    """The state dict in a checkpoint."""
    import torch

    for key in INSIDE:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if not isinstance(found, dict):
        raise Unreadable(f"it holds no state dict but {_called(found)}")
    others = [
        (name, value)
        for name, value in found.items()
        if not (isinstance(name, str) and isinstance(value, torch.Tensor))
    ]
    if others:
        name, value = others[0]
        raise Unreadable(
            f"it holds no state dict: {str(name)[:80]!r} in it is {_called(value)}"
        )
    return found


def _called(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _array(name: str, tensor: Any) -> Array:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise Unreadable(f"`{name}` is sparse, quantized or without numbers")
    tensor = tensor.detach().contiguous()
    kind, bits = LACKED.get(str(tensor.dtype).removeprefix("torch."), ("", ""))
    try:
        if kind:
            plain: Array = tensor.view(getattr(torch, bits)).numpy()
            return plain.view(dtype_of(kind))
        found: Array = tensor.numpy()
    except (TypeError, RuntimeError) as error:
        raise Unreadable(
            f"`{name}` has numbers of an unknown kind, {tensor.dtype}"
        ) from error
    return found


def write(file: IO[bytes], contents: Contents) -> None:
    import torch

    torch.save({name: _tensor(array) for name, array in contents.tensors.items()}, file)


def _tensor(array: Array) -> Any:
    import torch

    array = np.array(array, order="C")  # its own memory: a file's can't be written
    for name, (kind, bits) in LACKED.items():
        if array.dtype == dtype_of(kind):
            return torch.from_numpy(array.view(bits)).view(getattr(torch, name))
    return torch.from_numpy(array)
