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
from cnnspec.fields import Choice, Declared, Field, Integer, Number, Plain, refuse
from cnnspec.one_of import OneOf, required
from cnnspec.optimizers import OPTIMIZERS, Adam
from cnnspec.schedules import SCHEDULES
from cnnspec.shapes import MAPS, TOKENS, VECTOR, Shape, describe
from cnnspec.yamltree import Mapping, Node, Scalar

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph
    from cnnspec.spec import Spec

D = TypeVar("D", bound=Declared)

# What a loss applies to the logits itself: a model trained by it leaves that out.
TAKEN_OVER = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
LOSSES = ("cross_entropy", "mean_squared_error", "binary_cross_entropy")
SQUARED = "mean_squared_error"
EXAMPLES = {  # of what is one of several kinds
    "optimizer": "{sgd: {learning_rate: 0.01}}",
    "schedule": "{step: {milestones: [30, 60]}}",
}


class Losses(Field["str | dict[str, str] | None"]):
    """One loss for all outputs, or a mapping of outputs to losses."""

    def accept(self, value: Plain) -> str | dict[str, str]:
        given = list(value.values()) if type(value) is dict else [value]
        if given and all(type(loss) is str and loss in LOSSES for loss in given):
            found: str | dict[str, str] = value
            return found
        refuse()

    def schema(self) -> dict[str, Any]:
        one = {"type": "string", "enum": list(LOSSES)}
        return {
            "type": ["object", "string"],
            "if": {"type": "string"},
            "then": {"enum": list(LOSSES)},
            "else": {"additionalProperties": one, "minProperties": 1},
        }

    def samples(self) -> list[Plain]:
        return [*LOSSES, {"output": "cross_entropy"}]


class Train(Declared):
    """How the network is trained."""

    epochs = Integer(10, least=1, doc="Passes over the training samples.")
    loss = Losses(
        None,
        doc="What training makes small: `cross_entropy`, `mean_squared_error` or "
        "`binary_cross_entropy`, or a mapping of outputs to them; `cross_entropy` where none "
        "is given, `binary_cross_entropy` where the output has one value.",
    )
    target = Choice(
        "labels",
        "input",
        default="labels",
        doc="What outputs are compared with: the data's labels (or numbers), or the "
        "normalised input itself, which an autoencoder reproduces.",
    )
    optimizer = OneOf(
        OPTIMIZERS,
        doc="How gradients change the weights: `sgd`, `adam`, `adamw`, `rmsprop` or "
        "`adagrad`; `adam` where none is given.",
    )
    schedule = OneOf(
        SCHEDULES,
        doc="How the learning rate changes: `step`, `exponential`, `cosine` or "
        "`polynomial`; where none is given it stays.",
    )
    warmup = Number(
        0,
        least=0,
        samples=[0, 1, 2.5],
        doc="While it lasts the learning rate grows in a straight line, step by step, up to "
        "the optimizer's.",
        unit="epochs",
    )
    warmup_from = Number(
        0,
        least=0,
        below=1,
        samples=[0, 0.1],
        doc="Share of the learning rate that warm-up begins with.",
    )
    clip_norm = Number(
        None,
        above=0,
        samples=[1, 0.5],
        doc="The longest that the gradient of the loss, all weights together, may be; a "
        "longer one is scaled down to it, before any L2 term. Without it none is.",
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
    CS511 to CS519 for what does not fit the network.
    """
    train = _read_train(spec, bag)
    data = _read_data(spec, graph, train, bag)
    if not bag.has_errors:
        from cnnspec.fitting import check_data, check_train

        if spec.train is not None and train is not None:
            check_train(spec.train, graph, train, bag)
        if spec.data is not None and data is not None:
            check_data(spec.data, graph, data, train, bag)
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
    for name, field in Train.fields.items():
        node = spec.train.get(name) if spec.train else None
        if node is None or not isinstance(field, OneOf):
            continue
        if not _is_one(name, node, field.kinds, bag):
            return None
    return _read_section(Train, spec, "train", spec.train, bag)


def _is_one(name: str, node: Node, kinds: dict[str, type[Declared]], bag: Bag) -> bool:
    """Whether it may be one of several kinds; what jsonschema would not say in words is said."""
    if isinstance(node, Mapping) and len(node) != 1:
        bag.add(
            "CS107",
            f"`{name}` of `train` must be one of {', '.join(kinds)}",
            node.span,
            f"gets {len(node) or 'none'} of them",
            help=f"write `{name}: {EXAMPLES[name]}`",
        )
        return False
    kind = node.text if isinstance(node, Scalar) else ""
    missing = required(kinds[kind]) if kind in kinds else []
    if missing:
        from cnnspec.wording import listed

        bag.add(
            "CS109",
            f"`{kind}` needs {listed(missing)}",
            node.span,
            help=f"write `{name}: {EXAMPLES[name]}`",
        )
    return not missing


def _read_data(
    spec: Spec, graph: Graph, train: Train | None, bag: Bag
) -> DataSource | None:
    node = spec.data
    if node is None:
        if "data" in spec.root:
            return None
        name = "digits" if _takes_digits(graph, train) else "synthetic"
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


def _takes_digits(graph: Graph, train: Train | None) -> bool:
    digits = Shape(VECTOR, (CLASSES_OF_DIGITS,))
    fits = all(made == digits for made in output_shapes(graph).values())
    return _takes_images(graph) and (fits or learns_input(train))


def learns_input(train: Train | None) -> bool:
    """Whether outputs are compared with the input itself."""
    return train is not None and train.target == "input"


def only_input(graph: Graph) -> Shape | None:
    """The input's shape; None where there are several or it is unknown."""
    edges = list(graph.inputs.values())
    return graph.shape(edges[0]) if len(edges) == 1 else None


def output_shapes(graph: Graph) -> dict[str, Shape | None]:
    """The shape of each output by name, the main one first; None where it is unknown."""
    return {name: graph.shape(edge) for name, edge in graph.outputs.items()}


def main_output(graph: Graph) -> Shape | None:
    """The shape of the first output that serves; None where it is unknown."""
    shapes = output_shapes(graph)
    names = [name for name in shapes if graph.serves(name)] or list(shapes)
    return shapes[names[0]] if names else None


def loss_weights(graph: Graph) -> dict[str, float]:
    """The factor of each output's loss: a head's own, 1 of the others."""
    heads = graph.heads
    return {n: heads[n].loss_weight if n in heads else 1.0 for n in graph.outputs}


def _takes_images(graph: Graph) -> bool:
    shape = only_input(graph)
    return shape is not None and takes_images(shape)


def takes_images(shape: Shape) -> bool:
    """Whether an input can be fed from image files: two axes, grey or RGB."""
    return shape.layout == MAPS and shape.rank == 2 and shape.channels in (1, 3)


def untrainable(graph: Graph, train: Train | None) -> str | None:
    """Why a checked network can't be trained yet, as a fact; None where it can."""
    if len(graph.inputs) != 1:
        return f"it has {len(graph.inputs)} inputs, and no source of data gives several"
    given = only_input(graph)
    if given is not None and given.layout == TOKENS:
        return "its input is tokens, and no source of data gives them"
    if not any(node.trainable_params for node in graph.layers):
        return "it has no weights to learn"
    if not any(map(graph.serves, graph.outputs)):
        return "none of its outputs serves"
    for name, made in output_shapes(graph).items():
        if made is not None and made.layout != VECTOR and not learns_input(train):
            which = "its output" if len(graph.outputs) == 1 else f"its output `{name}`"
            return (
                f"{which} is {describe(made)}, and labels are compared with a vector "
                "(an autoencoder needs `target: input` in `train`)"
            )
    return None


def why_not_trained(spec: Spec, graph: Graph, train: Train | None) -> str | None:
    """Why no program to train a checked spec is written, as a fact; None where one is."""
    counts = {made.elements for made in output_shapes(graph).values() if made}
    reason = untrainable(graph, train)
    if reason or spec.data is not None or learns_input(train) or len(counts) < 2:
        return reason
    return (
        "its outputs have different numbers of values, and no `data` says what each is "
        "compared with"
    )


def losses_of(train: Train, graph: Graph) -> dict[str, str]:
    """The loss of each output: the one that is given, or one that fits."""
    given = train.loss if isinstance(train.loss, dict) else {}
    for_all = None if isinstance(train.loss, dict) else train.loss
    return {
        name: given.get(name) or for_all or _fitting_loss(made, train)
        for name, made in output_shapes(graph).items()
    }


def _fitting_loss(made: Shape | None, train: Train) -> str:
    if learns_input(train):
        return SQUARED
    single = made is not None and made.elements == 1
    return "binary_cross_entropy" if single else "cross_entropy"
