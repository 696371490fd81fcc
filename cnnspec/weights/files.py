"""A path enters; the weights in that file leave, or the other way round, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cnnspec.weights import keras_file, safetensors_file, torch_file
from cnnspec.weights.contents import Contents, Unreadable
from cnnspec.weights.keras_file import Program

SAFETENSORS, TORCH, HDF5 = "safetensors", "torch", "hdf5"
# What a file of each framework may be called.
SUFFIXES = {
    "pytorch": {".safetensors": SAFETENSORS, ".pt": TORCH, ".pth": TORCH},
    "keras": {".safetensors": SAFETENSORS, ".weights.h5": HDF5},
}
# What Python has to import for a form.
PACKAGES = {
    SAFETENSORS: ("numpy",),
    TORCH: ("numpy", "torch"),
    HDF5: ("numpy", "keras", "tensorflow", "h5py"),
}
ZIP = b"PK\x03\x04"  # torch.save's files since PyTorch 1.6, and Keras' whole models
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # those before


def form_of(path: Path) -> str:
    """The form that a file's first bytes tell, whatever its name is.

    Raises: Unreadable, OSError.
    """
    with open(path, "rb") as file:
        start = file.read(16)
        if not start:
            raise Unreadable("it is empty")
        if start.startswith(keras_file.MAGIC):
            return HDF5
        if start.startswith(ZIP) and _holds_a_model(file):
            raise Unreadable(
                "it is a whole model of Keras: load it there, and save "
                "`model.save_weights('NAME.weights.h5')`"
            )
        if start.startswith((ZIP, LEGACY)):
            return TORCH
        if safetensors_file.is_safetensors(start):
            return SAFETENSORS
    raise Unreadable("it is no safetensors, no PyTorch (.pt, .pth) and no .weights.h5")


def _holds_a_model(file: IO[bytes]) -> bool:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(file) as archive:
            return "model.weights.h5" in archive.namelist()
    except (BadZipFile, ValueError, OSError):
        return False


def read(path: Path, form: str, program: Callable[[], Program]) -> Contents:
    """Raises: Unreadable, Failed, OSError."""
    if form == HDF5:
        return keras_file.read(path, program())
    return torch_file.read(path) if form == TORCH else safetensors_file.read(path)


def write(
    path: Path, form: str, contents: Contents, program: Callable[[], Program]
) -> int:
    """Returns: the file's bytes. Raises: Failed, OSError; then there is what there was."""
    with whole(path) as file:
        if form == HDF5:
            keras_file.write(file, contents, program())
        elif form == TORCH:
            torch_file.write(file, contents)
        else:
            safetensors_file.write(file, contents)
        return file.tell()


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to; once it is written, it takes the path's place."""
    path = Path(os.path.realpath(path))
    stage = path.with_name(f".{path.name}.cnnspec-{os.getpid()}")
    try:
        with open(stage, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(stage, path)
    finally:
        with suppress(OSError):
            stage.unlink()
