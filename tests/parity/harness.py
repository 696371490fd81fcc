"""Specs enter; what both generated models say of shapes, counts and outputs leaves.

All models of a call are built in one process per framework: starting one costs seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cnnspec.compile import Checked, check_source
from cnnspec.costs import total
from cnnspec.emit.build import model_text
from cnnspec.names import camel
from cnnspec.render import render_text
from cnnspec.shapes import MAPS
from cnnspec.source import SourceFile

HERE = Path(__file__).parent
TOLERANCE = 1e-5  # of each output's largest value


class Outcome(NamedTuple):
    """What one spec came to on all sides."""

    checked: Checked
    pytorch: dict[str, Any]
    keras: dict[str, Any]
    difference: float  # largest of the outputs, relative to each output's largest value


def check_text(text: str, overrides: dict[str, Any] | None = None) -> Checked:
    checked = check_source(SourceFile("spec.yaml", text), overrides or {})
    problems = [d for d in checked.diagnostics if d.severity == "error"]
    assert not problems, render_text(problems, checked.source, False, 100)
    return checked


def run_both(specs: dict[str, Checked], folder: Path) -> dict[str, Outcome]:
    """Builds each spec for both targets, runs them on the same weights and inputs."""
    for name, checked in specs.items():
        _prepare(name, checked, folder / name)
    for side in ("pytorch_side.py", "keras_side.py"):
        command = [sys.executable, str(HERE / side), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    return {name: _read(checked, folder / name) for name, checked in specs.items()}


def _prepare(name: str, checked: Checked, place: Path) -> None:
    graph, spec = checked.graph, checked.spec
    assert graph is not None and spec is not None
    for target in ("pytorch", "keras"):
        (place / target).mkdir(parents=True)
        text = model_text(checked, target, None)
        (place / target / "model.py").write_text(text)
    shapes = {n: graph.shape(e) for n, e in {**graph.inputs, **graph.outputs}.items()}
    facts = {
        "class": camel(spec.name),
        "function": spec.name,
        "seed": sum(name.encode()),
        "inputs": {n: graph.shape(e).sizes for n, e in graph.inputs.items()},
        "tokens": {n: graph.shape(e).vocabulary for n, e in graph.inputs.items()},
        "maps": {n: s.layout == MAPS for n, s in shapes.items()},
        "heads": any(not head.serve for head in graph.heads.values()),
    }
    (place / "facts.json").write_text(json.dumps(facts))


def _read(checked: Checked, place: Path) -> Outcome:
    sides = [json.loads((place / f"{s}.json").read_text()) for s in ("pytorch", "keras")]
    for side, found in zip(("pytorch", "keras"), sides, strict=True):
        source = (place / side / "model.py").read_text()
        assert "error" not in found, f"{side}: {found['error']}\n{source}"
    ours, theirs = np.load(place / "pytorch.npz"), np.load(place / "keras.npz")
    assert sorted(ours) == sorted(theirs)
    worst = 0.0
    for name in ours:
        assert ours[name].shape == theirs[name].shape, (name, place)
        largest = max(float(np.abs(ours[name]).max()), 1e-30)
        worst = max(worst, float(np.abs(ours[name] - theirs[name]).max()) / largest)
    return Outcome(checked, *sides, worst)


def assert_same_network(outcome: Outcome) -> None:
    """Shapes, counts, names and outputs of both models are those of the check."""
    graph = outcome.checked.graph
    assert graph is not None
    totals = total(graph)
    assert totals is not None
    training = totals.training
    served = {
        n: list(graph.shape(e).sizes) for n, e in graph.outputs.items() if graph.serves(n)
    }
    if len(served) == 1:
        served = {"output": next(iter(served.values()))}
    for side in (outcome.pytorch, outcome.keras):
        assert side["params"] == training.params
        assert side["trainable_params"] == training.trainable_params
        assert side["outputs"] == served
    assert outcome.difference <= TOLERANCE
    paths = {key.rpartition(".")[0] for key in outcome.pytorch["keys"]}
    ours = {n.path.replace("[", ".").replace("]", "") for n in graph.layers if n.params}
    assert paths == ours
