"""What both processes wrote enters; whether it is one network, and where not, leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.verify.exchange import LIMITS
from cnnspec.verify.nodes import Watched
from cnnspec.verify.sizes import shape_cause
from cnnspec.verify.training import (
    TensorGap,
    Trained,
    compare_losses,
    compare_tensors,
    diverged,
    steady_steps,
)

if TYPE_CHECKING:
    from cnnspec.graph import Graph

SIDES = ("pytorch", "keras")
PASSES = tuple(LIMITS)
NEARLY = 1e-7  # in float64: below the limit, and no rounding
NAMES = {"pytorch": "PyTorch", "keras": "Keras"}


DROPPING = ("dropout", "spatial_dropout", "alpha_dropout", "drop_path")


class Difference(NamedTuple):
    """One thing in which a program is not what the spec says.

    Args:
        stage: `serving`, `training`, `names`, `outputs`, `loss`, `gradients` or `weights`.
        layer: its path; empty where it is no layer's.
        side: the program that departs from the reference; empty where they only differ.
        message: what differs, with both values.
        cause: what probably makes it so; may be empty.
    """

    stage: str
    layer: str
    side: str
    message: str
    cause: str = ""


class Certificate(NamedTuple):
    """What was compared, and what came of it.

    Args:
        gaps: by layer and column: `serving`, `training`, `gradients`, `weights`; the worst of
            a layer's numbers, relative to its largest.
        limits: by column.
        notes: what could not be compared as usual, and what estimators differ in.
        differences: the first is the one to look at.
    """

    facts: dict[str, Any]
    gaps: dict[str, dict[str, float]]
    limits: dict[str, float]
    losses: list[float]
    notes: list[str]
    differences: list[Difference]

    @property
    def same(self) -> bool:
        return not self.differences


def certify(folder: Path, graph: Graph, facts: dict[str, Any]) -> Certificate:
    """Reads all that the processes wrote in the folder."""
    nodes = [Watched(*row) for row in facts["nodes"]]
    gaps: dict[str, dict[str, float]] = {node.path: {} for node in nodes}
    for pass_ in PASSES:
        for side in SIDES:
            for path, row in _read(folder, f"{side}-{pass_}").get("rows", {}).items():
                gap = float("inf") if row["gap"] is None else row["gap"]
                gaps[path][pass_] = max(gaps[path].get(pass_, 0.0), gap)
    differences = layer_differences(folder, nodes)
    limits, losses = dict(LIMITS), []
    notes = [_composed(kernel) for kernel in _read(folder, "composed")]
    if any(node.op in DROPPING for node in nodes):
        notes.append(
            "nothing is dropped out here: what drops is not compared, nor its rate"
        )
    if not differences:
        differences += _output_differences(folder)
    if not differences and facts["learns"]:
        losses = _read(folder, "pytorch-losses")
        step = diverged(folder)
        if step is not None:
            differences = [_divergence(step)]
    if losses and not differences:
        trained = compare_tensors(folder, graph, facts)
        limits |= trained.limits
        notes += trained.notes
        for found in trained.gaps:
            row = gaps.setdefault(found.layer, {})
            row[found.stage] = max(row.get(found.stage, 0.0), found.gap)
        paths = [node.path for node in nodes]
        differences += _step_differences(folder, trained, paths)
        if differences and differences[0].stage != "weights":
            differences = [*_near_misses(gaps, paths), *differences]
        if trained.chaos and not any(d.stage == "gradients" for d in differences):
            differences = [_chaos(trained.chaos, steady_steps(folder), facts["steps"])]
    return Certificate(facts, gaps, limits, losses, notes, differences)


def _composed(kernel: str) -> str:
    return (
        f"TensorFlow has no float64 kernel for {kernel} on the CPU: in float64 it is composed "
        "of two others, in float32 it runs as it is"
    )


def layer_differences(folder: Path, nodes: list[Watched]) -> list[Difference]:
    """Weights that one lacks and layers whose values are not the reference's, in its order.

    Weights are looked at with the layers of the first pass: one layer's other size makes those
    of later layers other ones.
    """
    places = {node.path: place for place, node in enumerate(nodes)}
    found: list[tuple[int, int, Difference]] = []
    for side in SIDES:
        first = _read(folder, f"{side}-{PASSES[0]}")
        built = not first.get("fault")
        unread = {n.path for n in nodes if n.module in first.get("unread", [])}
        names = _read(folder, f"{side}-unlike")
        whole = {_owner(name, places) for name in _given(folder, side) - names.keys()}
        for name, (own, given) in names.items():
            layer = _owner(name, places)
            if own is not None or (built and layer not in unread):
                difference = _unlike(side, name, own, given, layer, layer in whole)
                found.append((0, places.get(layer, -1), difference))
    for order, pass_ in enumerate(PASSES):
        for side in SIDES:
            found += [
                (order, places.get(difference.layer, len(nodes)), difference)
                for difference in _of_pass(folder, side, pass_, nodes)
            ]
    found.sort(key=lambda item: item[:2])
    return [difference for _, _, difference in found]


def _of_pass(
    folder: Path, side: str, pass_: str, nodes: list[Watched]
) -> list[Difference]:
    result = _read(folder, f"{side}-{pass_}")
    rows, fault = result.get("rows", {}), result.get("fault", "")
    wrong = [
        _layer(side, pass_, node, rows[node.path], fault)
        for node in nodes
        if node.path in rows and not _is_near(rows[node.path], LIMITS[pass_])
    ]
    if result.get("behind"):
        wrong.insert(0, _behind(side, pass_, **result["behind"]))
    return wrong or ([Difference(pass_, "", side, fault)] if fault else [])


def _behind(
    side: str, pass_: str, layer: str, reader: str, function: str
) -> Difference:
    what = f"{NAMES[side]} makes it right, but `{reader}` reads something else"
    return Difference(
        pass_,
        layer,
        side,
        what,
        f"{function} is applied behind it, which the spec has not",
    )


def _is_near(row: dict[str, Any], limit: float) -> bool:
    return row["gap"] is not None and row["gap"] <= limit


def _given(folder: Path, side: str) -> set[str]:
    """The names of all weights that a side is given."""
    from safetensors import safe_open

    file = {"pytorch": "weights", "keras": "weights-keras"}[side]
    with safe_open(folder / f"{file}.safetensors", framework="numpy") as values:
        return set(values.keys())


def _owner(name: str, places: dict[str, int]) -> str:
    """The layer whose variable or tensor it is: `a.0.conv/kernel` is of `a[0].conv`."""
    spelt = {path.replace("[", ".").replace("]", ""): path for path in places}
    own = name.replace("/", ".")
    while own and own not in spelt:
        own = own.rpartition(".")[0]
    return spelt.get(own, "")


def _unlike(
    side: str,
    name: str,
    own: list[int] | None,
    given: list[int] | None,
    layer: str,
    has_others: bool,
) -> Difference:
    """A tensor that a program lacks, has beside the spec's, or has in another shape.

    Args:
        layer: whose it is; empty where the spec has no such layer.
        has_others: whether other weights of the layer are as they should be.
    """
    is_bias = name.endswith("bias")
    if own is None:
        what, cause = (
            f"lacks the weights `{name}` {_listed(given)}",
            _lack(is_bias, has_others),
        )
    elif given is None:
        what = f"has weights `{name}` {_listed(own)} that the spec has not"
        cause = "the spec has no layer of that name"
        if layer:
            cause = "a bias, which the spec has not" if is_bias else ""
    else:
        what = (
            f"has weights `{name}` of shape {_listed(own)}, the spec {_listed(given)}"
        )
        cause = "the layer is made with another size, or is fed another one"
    return Difference("names", layer, side, f"{NAMES[side]} {what}", cause)


def _lack(is_bias: bool, has_others: bool) -> str:
    if not has_others:
        return "the layer is left out, or made otherwise"
    return "its bias is left out" if is_bias else "it is made without them"


def _listed(sizes: Any) -> str:
    return f"({', '.join(map(str, sizes))})"


def _crossed(sizes: Sequence[int]) -> str:
    """A shape as `cnnspec check` prints it."""
    return "x".join(map(str, sizes))


def _layer(
    side: str, pass_: str, node: Watched, row: dict[str, Any], fault: str
) -> Difference:
    how = "float32, serving" if pass_ == "serving" else "float64, training"
    if row["gap"] is None:
        cause = ""
        wanted, made = _crossed(node.sizes), _crossed((row["shape"] or ())[1:])
        if made in ("", wanted):
            what = f"{NAMES[side]} makes nothing of shape {wanted}"
        else:
            what = f"{NAMES[side]} makes {made}, the spec {wanted}"
            sizes = row["shape"][1:]
            cause = shape_cause(node.op, node.layout, node.sizes, sizes)
        cause = cause or fault or "it is left out, or makes another shape"
        return Difference(pass_, node.path, side, what, cause)
    where = ", ".join(map(str, row["where"]))
    other = "PyTorch" if side == "keras" else "the spec's own program"
    what = (
        f"at [{where}] {NAMES[side]} has {row['found']:.9g}, {other} "
        f"{row['expected']:.9g}; they differ by {row['gap']:.1e} of the largest ({how})"
    )
    return Difference(pass_, node.path, side, what, row.get("cause", ""))


def _output_differences(folder: Path) -> list[Difference]:
    """Of the models as they serve, by name."""
    from safetensors.numpy import load_file

    from cnnspec.verify.matching import compare

    sides = [load_file(folder / f"{side}-outputs.safetensors") for side in SIDES]
    ours, theirs = sides
    found = []
    if ours.keys() != theirs.keys():
        what = f"PyTorch gives {', '.join(ours)}, Keras {', '.join(theirs)}"
        return [Difference("outputs", "", "", what)]
    for name, value in ours.items():
        if value.shape != theirs[name].shape:
            shapes = f"{_listed(value.shape)} and {_listed(theirs[name].shape)}"
            found.append(
                Difference("outputs", name, "", f"PyTorch and Keras give {shapes}")
            )
            continue
        match = compare(value, theirs[name])
        if not match.gap <= LIMITS["serving"]:
            what = (
                f"at {list(match.where)} PyTorch gives {match.expected:.9g}, Keras "
                f"{match.found:.9g}"
            )
            found.append(Difference("outputs", name, "", what))
    return found


def _divergence(step: int) -> Difference:
    what = f"in step {step} it is not finite in PyTorch: this training proves nothing"
    cause = (
        f"a high learning rate; take --steps {step - 1}" if step > 1 else "the weights"
    )
    return Difference("loss", "", "", what, cause)


def _chaos(apart: float, steady: int, steps: int) -> Difference:
    """Steps that prove nothing, in whatever framework."""
    what = (
        f"after {steps} steps PyTorch departs from itself by {apart:.1e} where its weights "
        "differ by a rounding: this training is chaotic, and proves nothing"
    )
    cause = f"a high learning rate on few samples; take --steps {max(steady, 1)}, or more --samples"
    return Difference("weights", "", "", what, cause)


def _near_misses(
    gaps: dict[str, dict[str, float]], paths: list[str]
) -> list[Difference]:
    """The first layer of a network whose steps differ that is right, but no rounding away."""
    for path in paths:
        gap = gaps[path].get("training", 0.0)
        if gap > NEARLY:
            what = f"it differs by {gap:.1e} of the largest, within the limit, but not by rounding"
            cause = "a constant that hardly shows, such as an epsilon"
            return [Difference("training", path, "", what, cause)]
    return []


def _step_differences(
    folder: Path, trained: Trained, paths: list[str]
) -> list[Difference]:
    """Of loss, gradients and weights: a later step's loss follows from the first's gradients."""
    of_tensors = _tensor_differences(trained.gaps, paths)
    of_losses = compare_losses(folder, trained.limits)
    found = [Difference("loss", "", "", line) for _, line in of_losses]
    first = any(step == 1 for step, _ in of_losses)
    return [*found, *of_tensors] if first else [*of_tensors, *found]


def _tensor_differences(gaps: list[TensorGap], paths: list[str]) -> list[Difference]:
    """Gradients, the last layer's first: a wrong one passes on to all before it.

    Where weights differ whose gradients do not, it is the step that is taken with them.
    """
    places = {path: place for place, path in enumerate(paths)}
    wrong = [found for found in gaps if not found.gap <= found.limit]
    of_gradients = [found for found in wrong if found.stage == "gradients"]
    of_weights = [found for found in wrong if found.stage == "weights"]
    of_gradients.sort(key=lambda found: -places.get(found.layer, -1))
    differences = [
        Difference(found.stage, found.layer, "", found.message, found.cause)
        for found in (*of_gradients, *of_weights)
    ]
    derived = {found.tensor for found in gaps if found.stage == "gradients"}
    trained = [found for found in gaps if found.stage == "weights" and found.trained]
    stepped = [found for found in trained if found in of_weights]
    if stepped and not of_gradients and {f.tensor for f in stepped} <= derived:
        which = f"{len(stepped)} of {len(trained)}"
        first = Difference(
            "weights",
            "",
            "",
            f"{which} trained tensors differ after the steps, and no gradient does: it is "
            "the optimizer's step",
            "its rule, its settings, or the order of decay and clipping",
        )
        return [first, *differences]
    return differences


def _read(folder: Path, name: str) -> Any:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
