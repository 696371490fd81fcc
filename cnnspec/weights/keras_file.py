"""A `.weights.h5` file of Keras enters, or leaves; Keras reads and writes it in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from cnnspec.weights import safetensors_file
from cnnspec.weights.contents import Contents, Unreadable

MAGIC = b"\x89HDF\r\n\x1a\n"


class Program(NamedTuple):
    """The model whose variables they are.

    Args:
        text: of the generated model.py.
        function: that makes it, in there.
        heads: whether it has some that exist in training alone.
    """

    text: str
    function: str
    heads: bool


class Failed(Exception):
    """Keras' process ended, for a reason that is not in the file."""


def read(path: Path, program: Program) -> Contents:
    """Variables by path, each in its own kind of numbers.

    What the model has no variable for, or one of another shape, is there as well: by shape,
    without its numbers.

    Raises: Unreadable, Failed.
    """
    with tempfile.TemporaryDirectory(prefix="cnnspec-") as name:
        folder = Path(name)
        _run(folder, program, "read", path.resolve())
        text = (folder / "found.json").read_text(encoding="utf-8")
        found = safetensors_file.read(folder / "variables.safetensors").tensors
        arrays = {place: np.array(array) for place, array in found.items()}
    zero = np.zeros((), np.float32)
    others = json.loads(text)["shapes"]
    arrays |= {place: np.broadcast_to(zero, shape) for place, shape in others.items()}
    return Contents(arrays, {})


def write(file: IO[bytes], contents: Contents, program: Program) -> None:
    """Raises: Failed."""
    with tempfile.TemporaryDirectory(prefix="cnnspec-") as name:
        folder = Path(name)
        with open(folder / "variables.safetensors", "wb") as variables:
            safetensors_file.write(variables, contents)
        made = folder / "made.weights.h5"
        _run(folder, program, "write", made)
        with open(made, "rb") as source:
            while part := source.read(1 << 20):
                file.write(part)


def _run(folder: Path, program: Program, task: str, path: Path) -> None:
    (folder / "model.py").write_text(program.text, encoding="utf-8")
    told = {
        "task": task,
        "file": str(path),
        "function": program.function,
        "heads": program.heads,
    }
    (folder / "task.json").write_text(json.dumps(told), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cnnspec.weights.keras_side"],
        cwd=folder,  # where a user's keras.py is not in the way
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    fault = folder / "fault.json"
    if fault.exists():
        raise Unreadable(json.loads(fault.read_text(encoding="utf-8")))
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise Failed(lines[-1][:200])
