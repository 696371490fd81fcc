"""Specs enter; what both generated models and the graph say of shapes, counts and outputs leaves.

All models of a call are built in one process per framework: starting one costs seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from cnnspec.compile import Checked, check_source
from cnnspec.costs import total
from cnnspec.diagnostics import Bag
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.graph import Graph
from cnnspec.layers.layer import Layer
from cnnspec.names import camel
from cnnspec.render import render_text
from cnnspec.shapes import MAPS
from cnnspec.source import SourceFile
from cnnspec.training import read_training
from cnnspec.weights.layout import (
    state_shapes,
    to_keras,
    to_pytorch,
    variable_shapes,
)

HERE = Path(__file__).parent
TOLERANCE = 1e-5  # of each output's largest value
# A batch norm in training divides by the deviation of few samples, which may be small.
RUNNING_TOLERANCE = 1e-3


# Operations that draw numbers in training.
RANDOM = {"dropout", "spatial_dropout", "alpha_dropout", "drop_path"}
# Operations whose multiply-adds torch's FlopCounterMode does not count, or counts otherwise.
UNCOUNTED: set[str] = {"radial_basis"}


class Outcome(NamedTuple):
    """What one spec came to on all sides; `place` holds its sources and arrays."""

    checked: Checked
    place: Path
    pytorch: dict[str, Any]
    keras: dict[str, Any]


def check_text(text: str, overrides: dict[str, Any] | None = None) -> Checked:
    checked = check_source(SourceFile("spec.yaml", text), overrides or {})
    problems = [d for d in checked.diagnostics if d.severity == "error"]
    assert not problems, render_text(problems, checked.source, False, 100)
    return checked


def run_both(
    specs: dict[str, Checked],
    folder: Path,
    sizes_only: Collection[str] = (),
    samples: int = 6,
) -> dict[str, Outcome]:
    """Builds each spec for both targets, runs them on the same weights and inputs.

    Args:
        sizes_only: the specs whose models are built but not run, PyTorch's on the meta device.
        samples: in a batch. Few sizes of the networks are 6, too: Keras 3.15 takes maps
            (N, 1, 1, 1) that are added to (N, H, W, 1) for a bias where N is H.
    """
    for name, checked in specs.items():
        prepare(name, checked, folder / name, name in sizes_only, samples)
    # Keras loads while PyTorch draws the weights and inputs that it waits for.
    keras, pytorch = start("keras"), start("pytorch")
    _finish(pytorch, folder)
    for name, checked in specs.items():
        if name not in sizes_only:
            hand_over(checked, folder / name)
    _finish(keras, folder)
    return {name: read(checked, folder / name) for name, checked in specs.items()}


def _finish(process: subprocess.Popen[str], folder: Path) -> None:
    _, errors = process.communicate(f"{folder}\n")
    assert process.returncode == 0, errors[-3000:]


def hand_over(checked: Checked, place: Path) -> None:
    """Lays the weights of PyTorch out for Keras; back again they are the same bits."""
    if "error" in json.loads((place / "pytorch.json").read_text()):
        return
    assert checked.graph is not None
    state = dict(np.load(place / "weights.npz"))
    variables = to_keras(checked.graph, state)
    np.savez(place / "variables.npz", **variables)
    back = to_pytorch(checked.graph, variables)
    assert back.keys() == state.keys()
    for name, value in state.items():
        assert back[name].dtype == value.dtype and back[name].shape == value.shape
        assert back[name].tobytes() == value.tobytes(), name


def start(side: str, errors: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    """A process that runs the models in each folder that it reads a line about.

    It answers with a line for each, PyTorch first: Keras takes weights and inputs from it.
    """
    return subprocess.Popen(
        [sys.executable, str(HERE / f"{side}_side.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def prepare(
    name: str,
    checked: Checked,
    place: Path,
    sizes_only: bool,
    samples: int = 6,
    models: Mapping[str, str] | None = None,
) -> None:
    """Writes what both sides read of a spec.

    Args:
        models: the texts of both models by target, where they are known.
    """
    graph, spec = checked.graph, checked.spec
    assert graph is not None and spec is not None
    for target in TARGETS:
        (place / target).mkdir(parents=True)
        try:
            text = (models or {}).get(target) or model_text(
                checked, target, loss_of(checked)
            )
        except Exception as fault:  # the other specs run
            text = f"raise RuntimeError({repr(fault)!r})\n"
        (place / target / "model.py").write_text(text)
    if not sizes_only:
        plain = _plain(graph, loss_of(checked))
        (place / "graph.json").write_text(json.dumps(plain, default=str))
    shapes = {n: graph.shape(e) for n, e in {**graph.inputs, **graph.outputs}.items()}
    served = [edge for name, edge in graph.outputs.items() if graph.serves(name)]
    if len(served) == 1:
        shapes["output"] = graph.shape(served[0])
    facts = {
        "class": camel(spec.name),
        "function": spec.name,
        "seed": sum(name.encode()),
        "inputs": {n: graph.shape(e).sizes for n, e in graph.inputs.items()},
        "tokens": {n: graph.shape(e).vocabulary for n, e in graph.inputs.items()},
        "maps": {n: s.layout == MAPS for n, s in shapes.items()},
        "heads": any(not head.serve for head in graph.heads.values()),
        "sizes_only": sizes_only,
        "samples": samples,
        "random": any(
            n.layer is not None and _is_random(n.layer) for n in graph.layers
        ),
    }
    (place / "facts.json").write_text(json.dumps(facts))


def _is_random(layer: Layer) -> bool:
    rate = layer.values.get("rate") if layer.op in RANDOM else None
    return bool(rate or layer.values.get("dropout"))


def loss_of(checked: Checked) -> str | None:
    """The loss that the spec itself gives."""
    assert checked.spec is not None and checked.graph is not None
    if checked.spec.train is None:
        return None
    train = read_training(checked.spec, checked.graph, Bag()).train
    assert train is not None
    loss: str | None = train.loss
    return loss


def _plain(graph: Graph, loss: str | None) -> dict[str, Any]:
    """What the evaluator reads of a graph."""
    nodes = [
        {
            "path": node.path,
            "op": node.layer.op if node.layer else None,
            "values": node.layer.values if node.layer else None,
            "inputs": node.inputs,
            "layouts": [shape.layout for shape in graph.shapes_in(node)],
            "trainable": node.trainable,
            "owner": node.reuses or node.path,
        }
        for node in graph.nodes
    ]
    served = [name for name in graph.outputs if graph.serves(name)]
    return {"nodes": nodes, "outputs": graph.outputs, "served": served, "loss": loss}


def read(checked: Checked, place: Path) -> Outcome:
    sides = [json.loads((place / f"{side}.json").read_text()) for side in TARGETS]
    return Outcome(checked, place, *sides)


def assert_same_network(outcome: Outcome) -> None:
    """Sizes, names and outputs of both models are those of the check."""
    assert_same_sizes(outcome)
    assert_same_outputs(outcome)


def assert_same_outputs(outcome: Outcome) -> None:
    for side in TARGETS:
        assert_close(outcome, side, "outputs")
        assert_close(outcome, side, "training")
        assert_close(outcome, side, "running", RUNNING_TOLERANCE)


def assert_same_sizes(outcome: Outcome) -> None:
    """Shapes, counts and the names of weights."""
    for side, found in (("pytorch", outcome.pytorch), ("keras", outcome.keras)):
        source = (outcome.place / side / "model.py").read_text()
        assert "error" not in found, f"{side}: {found['error']}\n{source}"
    graph = outcome.checked.graph
    assert graph is not None
    totals = total(graph)
    assert totals is not None
    training = totals.training
    served = {
        n: list(graph.shape(e).sizes)
        for n, e in graph.outputs.items()
        if graph.serves(n)
    }
    if len(served) == 1:
        served = {"output": next(iter(served.values()))}
    for found in (outcome.pytorch, outcome.keras):
        for kind, counted in (
            ("params", training.params),
            ("trainable_params", training.trainable_params),
            ("outputs", served),
        ):
            assert found[kind] == counted, (kind, found[kind], counted)
    ops = {n.layer.op for n in graph.layers if n.layer is not None}
    # torch convolves with the zeros of missing connections.
    layers = [n.layer for n in graph.layers if n.layer is not None]
    partial = any(layer.values.get("connections") for layer in layers)
    if not (ops & UNCOUNTED or partial):
        counted = outcome.pytorch["macs"]
        assert counted == totals.costs.macs, ("macs", counted, totals.costs.macs)
    for found, shapes in (
        (outcome.pytorch, state_shapes(graph)),
        (outcome.keras, variable_shapes(graph)),
    ):
        held = {n: tuple(s) for n, s in found["weights"].items()}
        assert held == shapes, ("weights", held, shapes)


def arrays(outcome: Outcome, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both models gave, by name.

    Args:
        kind: `outputs`; with the heads of `training`, in evaluation; `running` means after a
            step, unless it is random; or outputs `trained`, of that step.
    """
    ours, theirs = (_load(outcome, side, kind) for side in TARGETS)
    return ours, theirs


def _load(outcome: Outcome, side: str, kind: str) -> dict[str, Any]:
    return dict(np.load(outcome.place / f"{side}_{kind}.npz"))


def assert_close(
    outcome: Outcome, side: str, kind: str, tolerance: float = TOLERANCE
) -> None:
    """A side's arrays are what the graph comes to, relative to each one's largest value.

    Where its numbers cancel (sums of many, then a tanh), float32 can't be that exact: then ten
    times what the graph itself loses in it.
    """
    found, expected = _load(outcome, side, kind), _load(outcome, "expected", kind)
    rounded = expected if kind == "running" else _load(outcome, "rounded", kind)
    assert sorted(found) == sorted(expected), side
    for name, value in expected.items():
        assert found[name].shape == value.shape, (side, name)
        assert np.isfinite(found[name]).all(), (side, name)
        lost = 10 * _gap(rounded[name], value)
        assert _gap(found[name], value) <= max(tolerance, lost), (side, kind, name)


def _gap(found: Any, expected: Any) -> float:
    largest = max(float(np.abs(expected).max(initial=0)), 1e-30)
    return float(np.abs(found - expected).max(initial=0)) / largest
