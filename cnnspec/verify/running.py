"""A prepared folder enters; both processes run in it, each when what it reads is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from cnnspec.verify.certificate import layer_differences
from cnnspec.verify.exchange import ONE_STEP, STEPS, STOP
from cnnspec.verify.nodes import Watched
from cnnspec.weights.layout import to_keras

if TYPE_CHECKING:
    from cnnspec.graph import Graph

Array = np.ndarray[Any, Any]


class Failed(Exception):
    """A side ended before it was done.

    Args:
        side: `pytorch` or `keras`.
        message: what it said.
        log: the end of its error output.
    """

    def __init__(self, side: str, message: str, log: str) -> None:
        super().__init__(message)
        self.side, self.message, self.log = side, message, log


Process = subprocess.Popen[str]
Start = Callable[[str, Path], AbstractContextManager[Process]]


def run_sides(folder: Path, graph: Graph, start: Start | None = None) -> None:
    """Runs both to their ends; raises Failed.

    Args:
        start: gives the process of a side for a folder; by default one of its own.
    """
    start = start or _side
    with start("keras", folder) as keras, start("pytorch", folder) as pytorch:
        _wait(pytorch, "weights", "pytorch", folder)
        state = load_file(folder / "weights.safetensors")
        found = to_keras(graph, state)
        arrays = {path: _whole(array) for path, array in found.items()}
        save_file(arrays, folder / "weights-keras.safetensors")
        _wait(pytorch, "reference", "pytorch", folder)
        _ask(keras, "go", "keras", folder)
        _wait(pytorch, "layers", "pytorch", folder)
        _wait(keras, "layers", "keras", folder)
        stage = _next_stage(folder)
        for side, process in (("pytorch", pytorch), ("keras", keras)):
            _ask(process, stage, side, folder)
        for side, process in (("pytorch", pytorch), ("keras", keras)):
            _wait(process, "steps", side, folder)


def _next_stage(folder: Path) -> str:
    """Nothing is trained that is not the same network, or learns nothing."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    nodes = [Watched(*row) for row in facts["nodes"]]
    if not facts["learns"] or layer_differences(folder, nodes):
        return STOP
    return ONE_STEP if (folder / "no-float64.json").exists() else STEPS


def _ask(process: subprocess.Popen[str], what: str, side: str, folder: Path) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(f"{what}\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise _failure(side, process, folder) from None


def _whole(array: Array) -> Array:
    return np.ascontiguousarray(array)


@contextmanager
def _side(side: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone when the block is left."""
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",  # both compute on the CPU
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # see docs/decisions.md
    }
    with open(folder / f"{side}.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"cnnspec.verify.{side}_side", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _wait(process: subprocess.Popen[str], stage: str, side: str, folder: Path) -> None:
    """Until the side says that a stage is done; programs may print, too."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == stage:
            return
    raise _failure(side, process, folder)


def _failure(side: str, process: subprocess.Popen[str], folder: Path) -> Failed:
    status = process.wait()
    log = (folder / f"{side}.log").read_text(encoding="utf-8", errors="replace")
    fault = folder / f"{side}-fault.json"
    message = f"its process ended with status {status}"
    if fault.exists():
        message = json.loads(fault.read_text(encoding="utf-8"))
    return Failed(side, message, log[-3000:])
