"""The sections `data` and `train` and a network enter; what does not fit it goes into the bag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.datasets import Arrays
from cnnspec.optimizers import Sgd
from cnnspec.schedules import Exponential, Step
from cnnspec.shapes import describe
from cnnspec.training import (
    SQUARED,
    learns_input,
    losses_of,
    only_input,
    output_shapes,
    takes_images,
    untrainable,
)
from cnnspec.yamltree import Mapping

if TYPE_CHECKING:
    from cnnspec.datasets import DataSource
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph
    from cnnspec.shapes import Shape
    from cnnspec.source import Span
    from cnnspec.training import Train


def check_data(
    node: Mapping, graph: Graph, data: DataSource, train: Train | None, bag: Bag
) -> None:
    """CS511, CS512, CS513 and CS519."""
    shape = only_input(graph)
    if shape is None or untrainable(graph, train):
        return  # `train` says so; until then the network may be checked and built
    name, source = _span(node, "source"), data.values["source"]
    if data.images and not takes_images(shape):
        bag.add(
            "CS511",
            f"`{source}` gives images of 1 or 3 channels, the network takes "
            f"{describe(shape)}",
            name,
            help="`arrays` and `synthetic` fit any input",
        )
        return
    if not learns_input(train):
        _check_labels(graph, data, train, name, bag)
    for key, values in (data.values.get("normalize") or {}).items():
        if isinstance(values, tuple) and len(values) != shape.channels:
            _wrong_length(node, key, len(values), shape, bag)


def _check_labels(
    graph: Graph, data: DataSource, train: Train | None, place: Span, bag: Bag
) -> None:
    """Whether each output tells the classes of the data apart, and all the same classes."""
    source, classes = data.values["source"], data.class_count
    several = len(graph.outputs) > 1
    losses = losses_of(train, graph) if train is not None else {}
    values = {n: made.elements for n, made in output_shapes(graph).items() if made}
    for name, count in values.items():
        if classes is None or _fits(classes, count, losses.get(name)):
            continue
        which = f"output `{name}`" if several else "the network's output"
        bag.add(
            "CS512",
            f"`{source}` has {classes} classes, {which} has "
            f"{count} value{'s' if count != 1 else ''}",
            place,
            help=f"end with `dense: {{units: {classes}}}`, or take another source",
        )
    labelled = any(map(data.labels_for, losses.values()))  # 1 value tells 2 classes
    told = {max(count, 2) if labelled else count for count in values.values()}
    if classes is None and len(told) > 1 and not isinstance(data, Arrays):
        counts = ", ".join(f"`{name}` has {count}" for name, count in values.items())
        bag.add(
            "CS519",
            f"all outputs are compared with the labels of `{source}`, and have different "
            f"numbers of values: {counts}",
            place,
            help="end them with as many units, or take `arrays`, with labels for each",
        )


def _fits(classes: int, outputs: int, loss: str | None) -> bool:
    """Whether outputs tell that many classes apart: one each, or one for the second of two."""
    return outputs == classes or (
        classes == 2 and outputs == 1 and loss != "cross_entropy"
    )


def _wrong_length(node: Mapping, key: str, count: int, shape: Shape, bag: Bag) -> None:
    inner = node.get("normalize")
    bag.add(
        "CS513",
        f"`{key}` of `normalize` has {count} number{'s' if count != 1 else ''}, the "
        f"input {shape.channels} channel{'s' if shape.channels != 1 else ''}",
        _span(inner, key) if isinstance(inner, Mapping) else node.span,
        help="give one number for each channel, or one for all",
    )


def check_train(node: Mapping, graph: Graph, train: Train, bag: Bag) -> None:
    """CS411, CS514 to CS518, CS521 and CS522."""
    _check_schedule(node, train, bag)
    optimizer = train.optimizer
    if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
        bag.add(
            "CS514",
            "`nesterov` looks ahead by a momentum, and there is none",
            _span_inside(node, "optimizer", "sgd", "nesterov"),
            help="add `momentum: 0.9`",
        )
    if not _check_names(node, graph, train, bag):
        return
    if learns_input(train):
        _check_reproduction(node, graph, train, bag)
    elif not untrainable(graph, train):
        _check_single_values(node, graph, train, bag)


def _check_schedule(node: Mapping, train: Train, bag: Bag) -> None:
    """Whether the learning rate changes in order, and before training ends."""
    warmup, epochs = train.warmup, train.epochs
    if train.warmup_from and not warmup:
        bag.add(
            "CS522",
            "`warmup_from` says where warm-up begins, and there is none",
            _span(node, "warmup_from"),
            help="add `warmup: 1`",
        )
    if warmup >= epochs:
        _too_late("warm-up does", _span(node, "warmup"), epochs, bag)
    schedule = train.schedule
    if isinstance(schedule, Step):
        _check_milestones(node, schedule.milestones or (), train, bag)
    elif isinstance(schedule, Exponential) and warmup + schedule.every >= epochs:
        place = _span_inside(node, "schedule", "exponential", "every")
        _too_late("the learning rate changes", place, epochs, bag)


def _check_milestones(
    node: Mapping, milestones: tuple[int, ...], train: Train, bag: Bag
) -> None:
    place = _span_inside(node, "schedule", "step", "milestones")
    for before, milestone in zip((0, *milestones), milestones, strict=False):
        if milestone <= before:
            bag.add(
                "CS521",
                f"milestone {milestone} stands behind {before}",
                place,
                help="write them in increasing order",
            )
            return
    if milestones[0] <= train.warmup:
        bag.add(
            "CS521",
            f"milestone {milestones[0]} lies in the warm-up, which lasts "
            f"{_epochs(train.warmup)}",
            place,
            help="begin with a milestone after the warm-up",
        )
    elif milestones[-1] >= train.epochs:
        _too_late(f"milestone {milestones[-1]} is reached", place, train.epochs, bag)


def _epochs(count: float) -> str:
    return f"{count:g} epoch{'s' if count != 1 else ''}"


def _too_late(what: str, place: Span, epochs: int, bag: Bag) -> None:
    label = f"training takes {_epochs(epochs)}"
    bag.add("CS411", f"training ends before {what}", place, label)


def _check_names(node: Mapping, graph: Graph, train: Train, bag: Bag) -> bool:
    """Whether a mapping of losses names each output and nothing else."""
    if not isinstance(train.loss, dict):
        return True
    if train.loss.keys() == graph.outputs.keys():
        return True
    from cnnspec.suggest import did_you_mean
    from cnnspec.wording import listed

    outputs, losses = list(graph.outputs), node.get("loss")
    unknown = [name for name in train.loss if name not in graph.outputs]
    for name in unknown:
        key = losses.key(name) if isinstance(losses, Mapping) else None
        meant = did_you_mean(name, outputs)
        bag.add(
            "CS516",
            f"`loss` has `{name}`, which is no output of the network",
            key.span if key else _span(node, "loss"),
            help=f"did you mean `{meant}`?"
            if meant
            else f"there are {listed(outputs)}",
        )
    missing = [name for name in outputs if name not in train.loss]
    if missing and not unknown:
        bag.add(
            "CS517",
            f"`loss` says nothing of {listed(missing)}",
            _span(node, "loss"),
            help=f"add `{missing[0]}: LOSS`, or give one loss for all outputs",
        )
    return False


def _check_reproduction(node: Mapping, graph: Graph, train: Train, bag: Bag) -> None:
    """Whether every output can be compared with the input."""
    given = only_input(graph)
    place = _span(node, "target")
    if given is None or untrainable(graph, train):
        return
    for name, made in output_shapes(graph).items():
        if made is not None and made != given:
            which = f"output `{name}`" if len(graph.outputs) > 1 else "the output"
            bag.add(
                "CS518",
                f"{which} can't be compared with the input: it is {describe(made)}, the "
                f"input {describe(given)}",
                place,
                help="end the network in the input's shape, or leave `target` out",
            )
    others = {loss for loss in losses_of(train, graph).values() if loss != SQUARED}
    for loss in sorted(others):
        bag.add(
            "CS518",
            f"`{loss}` compares with labels, and `target: input` with the normalised input",
            _span(node, "loss"),
            help=f"write `loss: {SQUARED}`",
        )


def _check_single_values(node: Mapping, graph: Graph, train: Train, bag: Bag) -> None:
    losses = losses_of(train, graph)
    for name, made in output_shapes(graph).items():
        if made is None or made.elements != 1 or losses[name] != "cross_entropy":
            continue
        which = f"output `{name}`" if len(losses) > 1 else "the network's output"
        bag.add(
            "CS515",
            f"`cross_entropy` compares two classes or more, {which} has one value",
            _span(node, "loss"),
            help="for two classes write `loss: binary_cross_entropy`, or end with "
            "`dense: {units: 2}`",
        )


def _span(node: Mapping, key: str) -> Span:
    """Of a key's value; of the mapping where the key is absent."""
    value = node.get(key)
    return node.span if value is None else value.span


def _span_inside(node: Mapping, *keys: str) -> Span:
    """Of the value at a path; of the last mapping on it where the rest is absent."""
    span = node.span
    for key in keys:
        inner = node.get(key)
        if inner is None:
            return span
        span = inner.span
        if not isinstance(inner, Mapping):
            return span
        node = inner
    return span
