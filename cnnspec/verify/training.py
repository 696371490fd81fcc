"""Losses, gradients and weights of both trainings enter; how far apart they are leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from cnnspec.shapes import MAPS
from cnnspec.verify.loading import rounded
from cnnspec.verify.matching import Match, compare
from cnnspec.weights.layout import Holder, holders, to_pytorch, variable_shapes

if TYPE_CHECKING:
    from cnnspec.graph import Graph

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

LIMIT = 1e-6  # of a tensor's largest value, in float64
# A bias before a batch norm has no gradient but rounding: it is measured by the others.
VANISHING = 1e-6
NOISE = (
    10  # a float32 step may differ so many times as one framework's does from itself
)
LEAST_NOISE = 1e-5
# Of PyTorch: weights that differ by a rounding, and channels last in memory.
OTHER_RUNS = ("nudged", "turned")


class TensorGap(NamedTuple):
    """How far apart a tensor is, named as in PyTorch.

    Args:
        stage: `gradients` or `weights`.
        gap: relative to the tensor's largest value.
        trained: whether it is a weight that learns, not a running statistic.
    """

    stage: str
    layer: str
    tensor: str
    gap: float
    limit: float
    trained: bool
    message: str
    cause: str


class Trained(NamedTuple):
    """All tensors, the limits of both stages, and what else is to be said.

    Args:
        chaos: how far PyTorch departs from itself where weights differ by a rounding, if that
            is more than the limit.
    """

    gaps: list[TensorGap]
    limits: dict[str, float]
    notes: list[str]
    chaos: float


def compare_losses(folder: Path, limits: Mapping[str, float]) -> list[tuple[int, str]]:
    """The first step whose losses differ, from 1, with a line; empty where none do."""
    ours, theirs = (
        json.loads((folder / f"{side}-losses.json").read_text())
        for side in ("pytorch", "keras")
    )
    for step, (one, other) in enumerate(zip(ours, theirs, strict=True), 1):
        if not abs(one - other) <= limits["gradients"] * max(abs(one), 1e-30):
            line = f"in step {step} it is {one:.12g} in PyTorch, {other:.12g} in Keras"
            return [(step, line)]
    return []


def diverged(folder: Path) -> int | None:
    """The step, from 1, whose loss is not finite in PyTorch; None where all are."""
    losses = json.loads((folder / "pytorch-losses.json").read_text())
    return next((n for n, loss in enumerate(losses, 1) if not isfinite(loss)), None)


def steady_steps(folder: Path) -> int:
    """How many steps two trainings go together whose weights differ by a rounding."""
    ours, nudged = (
        json.loads((folder / f"{run}-losses.json").read_text())
        for run in ("pytorch", "nudged")
    )
    pairs = list(zip(ours, nudged, strict=True))
    for step, (one, other) in enumerate(pairs):
        if not abs(one - other) <= LIMIT / 100 * abs(one):
            return step
    return len(pairs)


def compare_tensors(folder: Path, graph: Graph, facts: dict[str, Any]) -> Trained:
    """Gradients of the first step, and weights after the last one."""
    one_step = (folder / "no-float64.json").exists()
    steps = 1 if one_step else facts["steps"]
    notes, gaps, chaos = [], [], 0.0
    limits = {"gradients": LIMIT, "weights": LIMIT}
    for stage in limits:
        if not (folder / f"pytorch-{stage}.safetensors").exists():
            continue  # no training program: gradients alone
        ours, theirs, others = _arrays(folder, graph, stage)
        start = load_file(folder / "weights.safetensors")
        if stage == "weights":
            notes += _same_estimator(
                graph, facts["samples"], steps, start, ours, theirs
            )
            for other in others:
                _same_estimator(graph, facts["samples"], steps, start, other, {})
        floor = _floor(stage, ours)
        noise = max((_largest(ours, other, floor) for other in others), default=0.0)
        if one_step:
            limits[stage] = max(LEAST_NOISE, NOISE * noise)
            notes.append(_noise_note(folder, stage, noise, limits[stage]))
        elif stage == "weights" and noise > limits[stage]:
            chaos = noise
        gaps += _gaps(graph, stage, ours, theirs, limits[stage])
    return Trained(gaps, limits, notes, chaos)


def _noise_note(folder: Path, stage: str, noise: float, limit: float) -> str:
    kernel = json.loads((folder / "no-float64.json").read_text())
    return (
        f"TensorFlow has no float64 kernel for {kernel} on the CPU: one step in float32; "
        f"PyTorch with channels last in memory, or weights that differ by a rounding, "
        f"differs from PyTorch by {noise:.1e} in {stage}, and {NOISE} times that, {limit:.1e}, is the limit"
    )


def _arrays(
    folder: Path, graph: Graph, stage: str
) -> tuple[Arrays, Arrays, list[Arrays]]:
    """PyTorch's tensors, Keras' by the same names, and PyTorch's of other runs."""
    ours = load_file(folder / f"pytorch-{stage}.safetensors")
    found = load_file(folder / f"keras-{stage}.safetensors")
    kind = next(iter(ours.values())).dtype
    whole = {
        path: found[path] if path in found else np.zeros(shape, kind)
        for path, shape in variable_shapes(graph).items()
    }
    turned = to_pytorch(graph, whole)
    theirs = {name: turned[name] for name in ours if name in turned}
    paths = [folder / f"{run}-{stage}.safetensors" for run in OTHER_RUNS]
    others = [load_file(path) for path in paths if path.exists()]
    return {name: ours[name] for name in theirs}, theirs, others


def _same_estimator(
    graph: Graph,
    samples: int,
    steps: int,
    start: Arrays,
    ours: Arrays,
    theirs: Arrays,
) -> list[str]:
    """Takes n/(n - 1) out of PyTorch's running variances; returns what n is.

    After T steps a running value is decay^T of the first one and the rest of estimates, which
    PyTorch takes over n - 1 values and Keras over n.
    Source: the documentation of torch.nn.BatchNorm2d and of keras.layers.BatchNormalization.
    """
    counts = {}
    for holder in holders(graph):
        name = holder.key("running_var")
        if holder.node.layer is None or holder.node.layer.op != "batch_norm":
            continue
        if name not in ours or not holder.node.trainable:
            continue
        calls = 1 + sum(node.reuses == holder.node.path for node in graph.layers)
        decay = rounded(holder.node.layer.values["decay"])
        if decay == 1:
            continue  # nothing is estimated
        kept = decay ** (steps * calls) * start[name].astype(ours[name].dtype)
        (shape,) = graph.shapes_in(holder.node)
        n = samples * int(np.prod(shape.spatial if shape.layout == MAPS else ()))
        if shape.layout not in (MAPS, "vector"):
            n = samples * shape.sizes[0]
        ours[name] = (ours[name] - kept) * (n - 1) / n
        if name in theirs:
            theirs[name] = theirs[name] - kept
        counts[holder.node.path] = n
    if not counts:
        return []
    low, high = min(counts.values()), max(counts.values())
    which = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return [
        f"running variances are compared without PyTorch's n/(n - 1); n is {which} values "
        f"of a channel in a batch of {samples}"
    ]


def _floor(stage: str, ours: Arrays) -> float:
    """What a tensor's difference is measured by at least."""
    if stage != "gradients":
        return 0.0
    return VANISHING * max(float(np.abs(a).max(initial=0)) for a in ours.values())


def _largest(ours: Arrays, other: Arrays, floor: float) -> float:
    return max(
        (_apart(ours[n], other[n], floor).gap for n in ours if n in other), default=0.0
    )


def _gaps(
    graph: Graph, stage: str, ours: Arrays, theirs: Arrays, limit: float
) -> list[TensorGap]:
    floor, found = _floor(stage, ours), []
    for holder in holders(graph):
        for weight in holder.weights:
            name = holder.key(weight.name)
            if name not in theirs:
                continue
            match = _apart(ours[name], theirs[name], floor)
            message = (
                f"`{name}` at {list(match.where)}: PyTorch {match.expected:.9g}, Keras "
                f"{match.found:.9g}; they differ by {match.gap:.1e} of the largest"
            )
            trained = weight.learned and not weight.constant and holder.node.trainable
            cause = _cause(holder, weight.name, stage)
            row = (stage, holder.node.path, name, match.gap, limit)
            found.append(TensorGap(*row, trained, message, cause))
    return found


def _cause(holder: Holder, name: str, stage: str) -> str:
    if stage == "weights" and name.startswith("running"):
        return "the decay of the running statistics, or whether they are frozen"
    return ""


def _apart(one: Array, other: Array, floor: float) -> Match:
    """As `compare`, relative to no less than a floor."""
    match = compare(one, other)
    largest = float(np.abs(one).max(initial=0))
    if not largest < floor or not isfinite(match.gap):
        return match
    return match._replace(gap=match.gap * largest / floor)
