"""The sections `data` and `train` enter; what a network is trained on and how leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cnnspec.datasets import (
    CLASSES_OF_DIGITS,
    SOURCES,
    AnySource,
    DataSource,
)
from cnnspec.declared import read_declared
from cnnspec.fields import Choice, Declared, Integer
from cnnspec.optimizers import OPTIMIZERS, Adam, OneOptimizer, Sgd
from cnnspec.shapes import MAPS, TOKENS, VECTOR, Shape, describe
from cnnspec.yamltree import Mapping

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph
    from cnnspec.source import Span
    from cnnspec.spec import Spec

D = TypeVar("D", bound=Declared)

LOSSES = ("cross_entropy", "mean_squared_error", "binary_cross_entropy")


class Train(Declared):
    """How the network is trained."""

    epochs = Integer(10, least=1, doc="Passes over the training samples.")
    loss = Choice(
        *LOSSES,
        default=None,
        doc="What training makes small; `cross_entropy` where none is given, "
        "`binary_cross_entropy` where the output has one value.",
    )
    optimizer = OneOptimizer(
        None,
        doc="How gradients change the weights: `sgd`, `adam` or `adamw`; `adam` where none "
        "is given.",
    )
    seed = Integer(
        0, most=2**32 - 1, doc="Sets the split, the first weights and the order."
    )

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__({"optimizer": Adam({}), **given})


class Training(NamedTuple):
    """Both sections; None where one is wrong."""

    data: DataSource | None
    train: Train | None


def read_training(spec: Spec, graph: Graph, bag: Bag) -> Training:
    """Reads both sections, and what they default to where they are not there.

    Adds CS103, CS106, CS107 and CS109 for their structure, and where nothing else is wrong
    CS511 to CS515 for what does not fit the network.
    """
    data = _read_data(spec, graph, bag)
    train = _read_train(spec, bag)
    if not bag.has_errors:
        if spec.data is not None and data is not None:
            _check_data(spec.data, graph, data, train, bag)
        if spec.train is not None and train is not None:
            _check_train(spec.train, graph, train, bag)
    return Training(data, train)


def _read_section(
    cls: type[D], spec: Spec, key: str, node: Mapping | None, bag: Bag
) -> D | None:
    if node is None:
        return None if key in spec.root else cls({})
    owner = spec.root.key(key)
    assert owner is not None
    return read_declared(cls, node, f"`{key}`", owner.span, spec.variables, bag)


def _read_train(spec: Spec, bag: Bag) -> Train | None:
    node = spec.train.get("optimizer") if spec.train else None
    if isinstance(node, Mapping) and len(node) != 1:
        bag.add(
            "CS107",
            f"`optimizer` of `train` must be one of {', '.join(OPTIMIZERS)}",
            node.span,
            f"gets {len(node) or 'none'} of them",
            help="write `optimizer: {sgd: {learning_rate: 0.01}}`",
        )
        return None
    return _read_section(Train, spec, "train", spec.train, bag)


def _read_data(spec: Spec, graph: Graph, bag: Bag) -> DataSource | None:
    node = spec.data
    if node is None:
        if "data" in spec.root:
            return None
        name = "digits" if _takes_digits(graph) else "synthetic"
        return SOURCES[name]({"source": name})
    if "source" in node:
        later = {key.text for key, _ in node.items} - {"source"}
    else:  # it may be misspelt
        later = {name for cls in SOURCES.values() for name in cls.fields}
    items = tuple(item for item in node.items if item[0].text not in later)
    named = Mapping(node.span, items, node.flow)
    any_source = _read_section(AnySource, spec, "data", named, bag)
    if any_source is None:
        return None
    return _read_section(SOURCES[any_source.source], spec, "data", node, bag)


def _takes_digits(graph: Graph) -> bool:
    shape = only_output(graph)
    return _takes_images(graph) and shape == Shape(VECTOR, (CLASSES_OF_DIGITS,))


def only_input(graph: Graph) -> Shape | None:
    """The input's shape; None where there are several or it is unknown."""
    edges = list(graph.inputs.values())
    return graph.shape(edges[0]) if len(edges) == 1 else None


def only_output(graph: Graph) -> Shape | None:
    """The output's shape; None where there are several or it is unknown."""
    edges = list(graph.outputs.values())
    return graph.shape(edges[0]) if len(edges) == 1 else None


def _takes_images(graph: Graph) -> bool:
    shape = only_input(graph)
    return shape is not None and takes_images(shape)


def takes_images(shape: Shape) -> bool:
    """Whether an input can be fed from image files: two axes, grey or RGB."""
    return shape.layout == MAPS and shape.rank == 2 and shape.channels in (1, 3)


def untrainable(graph: Graph) -> str | None:
    """Why a checked network can't be trained yet, as a fact; None where it can."""
    if len(graph.inputs) != 1:
        return f"it has {len(graph.inputs)} inputs"
    if len(graph.outputs) != 1:
        return f"it has {len(graph.outputs)} outputs"
    given, made = only_input(graph), only_output(graph)
    if given is not None and given.layout == TOKENS:
        return "its input is tokens"
    if made is not None and made.layout != VECTOR:
        return f"its output is {describe(made)}"
    if not any(node.trainable_params for node in graph.layers):
        return "it has no weights to learn"
    return None


def loss_of(train: Train, graph: Graph) -> str:
    """The loss that is given, or the one that fits a single output."""
    made = only_output(graph)
    single = made is not None and made.elements == 1
    return train.loss or ("binary_cross_entropy" if single else "cross_entropy")


def _check_data(
    node: Mapping, graph: Graph, data: DataSource, train: Train | None, bag: Bag
) -> None:
    shape, made = only_input(graph), only_output(graph)
    if shape is None or untrainable(graph):
        return  # `train` says so; until then the network may be checked and built
    assert made is not None
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
    classes = data.class_count
    if classes is not None and not _fits(classes, made.elements, train):
        bag.add(
            "CS512",
            f"`{source}` has {classes} classes, the network's output has "
            f"{made.elements} value{'s' if made.elements != 1 else ''}",
            name,
            help=f"end with `dense: {{units: {classes}}}`, or take another source",
        )
    for key, values in (data.values.get("normalize") or {}).items():
        if isinstance(values, tuple) and len(values) != shape.channels:
            _wrong_length(node, key, len(values), shape, bag)


def _fits(classes: int, outputs: int, train: Train | None) -> bool:
    """Whether outputs tell that many classes apart: one each, or one for the second of two."""
    single = train is None or train.loss != "cross_entropy"
    return outputs == classes or (classes == 2 and outputs == 1 and single)


def _wrong_length(node: Mapping, key: str, count: int, shape: Shape, bag: Bag) -> None:
    inner = node.get("normalize")
    bag.add(
        "CS513",
        f"`{key}` of `normalize` has {count} number{'s' if count != 1 else ''}, the "
        f"input {shape.channels} channel{'s' if shape.channels != 1 else ''}",
        _span(inner, key) if isinstance(inner, Mapping) else node.span,
        help="give one number for each channel, or one for all",
    )


def _check_train(node: Mapping, graph: Graph, train: Train, bag: Bag) -> None:
    optimizer = train.optimizer
    if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
        bag.add(
            "CS514",
            "`nesterov` looks ahead by a momentum, and there is none",
            _span_inside(node, "optimizer", "sgd", "nesterov"),
            help="add `momentum: 0.9`",
        )
    made = only_output(graph)
    if (
        not untrainable(graph)
        and made is not None
        and made.elements == 1
        and train.loss == "cross_entropy"
    ):
        bag.add(
            "CS515",
            "`cross_entropy` compares two classes or more, the network's output has "
            "one value",
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
