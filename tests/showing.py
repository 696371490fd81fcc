"""Checked specs and inputs enter; what both generated models make of them leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnspec.compile import Checked
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.names import camel

SHOWN = Path(__file__).parent / "parity" / "shown.py"
Array = Any


class Shown(NamedTuple):
    """Of one model: its outputs by name, its weights as PyTorch has them, those that learn."""

    outputs: dict[str, Array]
    weights: dict[str, Array]
    learned: list[str]


def show(
    specs: dict[str, Checked], inputs: dict[str, Array], folder: Path
) -> dict[str, dict[str, Shown]]:
    """By target and name of the spec.

    Args:
        inputs: by name of the spec, with the batch; a spec without one is built alone.
    """
    for name, checked in specs.items():
        _prepare(folder / name, checked, inputs.get(name))
    running = {target: _start(target, folder) for target in TARGETS}
    for process in running.values():
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
    return {t: {name: _read(folder / name, t) for name in specs} for t in TARGETS}


def _prepare(place: Path, checked: Checked, x: Array | None) -> None:
    assert checked.spec is not None and checked.graph is not None
    for target in TARGETS:
        (place / target).mkdir(parents=True)
        (place / target / "model.py").write_text(model_text(checked, target, None))
    layers = [node.layer for node in checked.graph.layers if node.layer is not None]
    facts = {
        "class": camel(checked.spec.name),
        "function": checked.spec.name,
        "partial": any(layer.values.get("connections") for layer in layers),
    }
    (place / "facts.json").write_text(json.dumps(facts))
    if x is not None:
        np.save(place / "x.npy", np.asarray(x, np.float32))


def _start(target: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SHOWN), target, str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _read(place: Path, target: str) -> Shown:
    found = dict(np.load(place / f"{target}.npz"))
    before = "weight "
    weights = {k.removeprefix(before): v for k, v in found.items() if before in k}
    outputs = {name: value for name, value in found.items() if before not in name}
    return Shown(outputs, weights, json.loads((place / f"{target}.json").read_text()))
