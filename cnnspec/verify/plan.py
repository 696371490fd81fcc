"""A checked spec enters; the folder that both processes are given leaves.

It holds both programs, PyTorch's model that tells what each layer makes (`reference`), inputs,
the samples of a few training steps, and `facts.json`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from cnnspec.diagnostics import Bag
from cnnspec.emit.build import TARGETS, model_source, watched_model_text
from cnnspec.emit.objective import ONE_OF_TWO, Objective
from cnnspec.emit.program import outputs_of, program_files
from cnnspec.names import camel
from cnnspec.shapes import MAPS, Shape
from cnnspec.training import losses_of, read_training, why_not_trained
from cnnspec.verify.nodes import watched_nodes
from cnnspec.weights.layout import holders

if TYPE_CHECKING:
    from cnnspec.compile import Checked
    from cnnspec.datasets import DataSource
    from cnnspec.graph import Graph

Array = np.ndarray[Any, Any]


FAINT = 0.1  # deviation of the samples that are trained on


class Settings(NamedTuple):
    """How much is verified.

    Args:
        samples: in a batch; batch norm wants two.
        steps: of the optimizer.
        programs: folders by target that stand in for what is built.
    """

    samples: int
    steps: int
    seed: int
    threads: int
    overrides: dict[str, Any]
    programs: dict[str, Path]


def prepare(checked: Checked, folder: Path, settings: Settings) -> dict[str, Any]:
    """Writes the folder; returns its facts. Raises Inexpressible (CS5nn)."""
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    data, train = read_training(spec, graph, Bag())
    assert data is not None and train is not None
    reason = why_not_trained(spec, graph, train)
    losses: str | dict[str, str] | None = losses_of(train, graph)
    if reason:
        losses = train.loss if spec.train is not None else None
    for target in TARGETS:
        given = settings.programs.get(target)
        if given is not None:
            shutil.copytree(given, folder / target, ignore=_only_python)
        else:
            files = program_files(checked, target, settings.overrides)
            _write(folder / target, files)
    _write(folder / "reference", {"model.py": watched_model_text(checked, losses)})
    rng = np.random.Generator(np.random.PCG64(settings.seed))
    outputs = {} if reason else outputs_of(graph, data, train)
    goals = {name: output.goal for name, output in outputs.items()}
    targets = _write_batch(folder, graph, goals, data, settings, rng)
    inputs = prepare_inputs(graph, settings.samples, settings.seed)
    save_file(inputs, folder / "inputs.safetensors")
    _write_projections(folder, graph, settings.samples, rng)
    facts = {
        "class": camel(spec.name),
        "function": spec.name,
        "seed": settings.seed,
        "samples": settings.samples,
        "steps": settings.steps,
        "threads": settings.threads,
        "nodes": watched_nodes(graph, model_source(checked, losses).plain),
        "inputs": list(graph.inputs),
        "maps": _maps(graph),
        "heads": any(not head.serve for head in graph.heads.values()),
        "trained": not reason,
        "why_not_trained": reason,
        "learns": any(node.trainable_params for node in graph.layers),
        "targets": sorted(targets),
        "own_targets": bool(targets) and "" not in targets,
        **_constants(graph),
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return facts


def _only_python(folder: str, names: list[str]) -> set[str]:
    """What is not copied of a program's folder: its runs may be large."""
    return {name for name in names if not name.endswith(".py")}


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def _shape(graph: Graph, name: str) -> Shape:
    shape = graph.shape({**graph.inputs, **graph.outputs}[name])
    assert shape is not None
    return shape


def _maps(graph: Graph) -> dict[str, bool]:
    """Whether inputs and outputs have channels that Keras puts last."""
    found = {
        n: _shape(graph, n).layout == MAPS for n in (*graph.inputs, *graph.outputs)
    }
    served = [name for name in graph.outputs if graph.serves(name)]
    for names in (served, list(graph.outputs)):
        if len(names) == 1:  # a single one has no name in the programs
            found["output"] = found[names[0]]
    return found


def _constants(graph: Graph) -> dict[str, list[str]]:
    """Weights that the programs hold in numbers, by the names of both."""
    names, paths = [], []
    for holder in holders(graph):
        names += [holder.key(w.name) for w in holder.weights if w.constant]
        paths += [
            holder.place(variable)
            for variable in holder.variables
            if any(rows.weight.constant for rows in variable.rows)
        ]
    return {"pytorch_constants": names, "keras_constants": paths}


def prepare_inputs(graph: Graph, samples: int, seed: int) -> dict[str, Array]:
    """A batch of each input: normal numbers (N, C, H, W) float32, or any ids."""
    rng = np.random.Generator(np.random.PCG64(seed))
    inputs: dict[str, Array] = {}
    for name in graph.inputs:
        shape = _shape(graph, name)
        size = (samples, *shape.sizes)
        if shape.vocabulary:
            inputs[name] = rng.integers(0, shape.vocabulary, size)
        else:
            inputs[name] = rng.standard_normal(size, np.float32)
    return inputs


def _write_projections(
    folder: Path, graph: Graph, samples: int, rng: np.random.Generator
) -> None:
    """Factors of outputs, by which they have gradients where there is no loss."""
    factors: dict[str, Array] = {}
    for name in graph.outputs:
        called = name if len(graph.outputs) > 1 else "output"
        factors[called] = rng.standard_normal((samples, *_shape(graph, name).sizes))
    save_file(factors, folder / "projections.safetensors")


def _write_batch(
    folder: Path,
    graph: Graph,
    goals: dict[str, Objective],
    data: DataSource,
    settings: Settings,
    rng: np.random.Generator,
) -> set[str]:
    """The batch of training; returns the outputs that have targets of their own.

    One target for all is called by an empty name; there is none where the input is reproduced.
    It is the same batch in each step, and faint: a few samples of noise, with other labels each
    time, drive deep networks without batch norm to infinity at their own learning rate.
    """
    if not goals:
        return set()
    size = settings.samples
    (name,) = graph.inputs
    found = {"x": FAINT * rng.standard_normal((size, *_shape(graph, name).sizes))}
    targets: dict[str, Array] = {}
    widths = {n: _shape(graph, n).elements for n in goals}
    first = next(iter(goals))
    if goals[first].reproduces:
        pass
    elif len(goals) > 1 and data.values["source"] == "arrays":
        targets = {n: _target(goal, widths[n], size, rng) for n, goal in goals.items()}
    else:
        targets = {"": _target(goals[first], widths[first], size, rng)}
    found |= {f"target.{name}": values for name, values in targets.items()}
    save_file(found, folder / "batch.safetensors")
    return set(targets)


def _target(goal: Objective, width: int, size: int, rng: np.random.Generator) -> Array:
    """What an output of that width is compared with."""
    if goal.labelled:
        classes = 2 if goal.wanted == ONE_OF_TWO and width == 1 else width
        return rng.integers(0, classes, size)
    if goal.loss == "binary_cross_entropy":
        return rng.random((size, width))
    return rng.standard_normal((size, width))
