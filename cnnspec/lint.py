"""A checked spec enters; what is allowed but hardly meant goes into the bag (CS4nn).

Rules over the whole network stand here; those of one layer are its `remarks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.diagnostics import Label
from cnnspec.layers.activation import last_function
from cnnspec.layers.dense import Dense
from cnnspec.spec import Entry, Operation, entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph, Node
    from cnnspec.source import Span
    from cnnspec.spec import Spec
    from cnnspec.training import Training

CENTRING = ("batch_norm", "instance_norm")  # take each channel's mean away, and a bias
NORMALISING = (*CENTRING, "group_norm", "layer_norm", "rms_norm")
LARGE = 100_000  # parameters; in a smaller network nobody minds where they are
SHARE = 0.8


def lint(spec: Spec, graph: Graph, training: Training | None, bag: Bag) -> None:
    """Every rule, once for each entry that breaks it."""
    _unused_blocks(spec, bag)
    for before, node in _chains(graph):
        _lost_bias(before, node, bag)
        _second_activation(before, node, bag)
    _large_layers(graph, bag)
    if training is not None and training.train is not None and spec.train is not None:
        from cnnspec.training import losses_of

        _functions_before_the_loss(graph, losses_of(training.train, graph), bag)
    if training is not None and training.data is not None:
        _raw_input(spec, graph, training.data.values, bag)


def _unused_blocks(spec: Spec, bag: Bag) -> None:
    used = {
        entry.key
        for body in (spec.layers, *(block.layers for block in spec.blocks.values()))
        for entry in entries_of(body)
    }
    for name, block in spec.blocks.items():
        if name not in used:
            bag.add("CS404", f"block `{name}` is never used", block.span)


def _chains(graph: Graph) -> Iterator[tuple[Node, Node]]:
    """Pairs of operations of which the second alone reads the first, and nothing else."""
    readers = [0] * len(graph.nodes)
    for node in graph.nodes:
        for edge in node.inputs:
            readers[edge.node] += 1
    for edge in graph.outputs.values():
        readers[edge.node] += 1
    for node in graph.nodes:
        if len(node.inputs) == 1:
            before = graph.nodes[node.inputs[0].node]
            if readers[node.inputs[0].node] == 1 and before.layer and node.layer:
                yield before, node


def _lost_bias(before: Node, node: Node, bag: Bag) -> None:
    assert before.layer is not None and node.layer is not None
    values = before.layer.values
    if (
        node.layer.op in CENTRING
        and node.trainable  # else it subtracts what the running statistics say
        and before.layer.adds_bias
        and values.get("bias") is True
        and values.get("activation", "none") == "none"
    ):
        bag.add(
            "CS405",
            f"the bias of `{before.layer.op}` is lost in `{node.layer.op}`",
            _place(before, "bias"),
            help=f"write `bias: false` in `{before.layer.op}`",
            related=_related(node, "subtracts each channel's mean"),
        )


def _second_activation(before: Node, node: Node, bag: Bag) -> None:
    assert before.layer is not None and node.layer is not None
    if not node.layer.activates:
        return
    first = before.layer.op if before.layer.activates else last_function(before.layer)
    if first is not None:
        bag.add(
            "CS407",
            f"`{node.layer.op}` directly after `{first}`",
            _place(node),
            help="leave one of them out",
            related=_related(before, "is followed by another activation"),
        )


def _large_layers(graph: Graph, bag: Bag) -> None:
    total = sum([node.params for node in graph.layers])
    if total < LARGE:
        return
    heads = {edge.node for edge in graph.outputs.values()}
    for number, node in enumerate(graph.nodes):
        if (
            isinstance(node.layer, Dense)
            and node.params > SHARE * total
            and number not in heads
            and node.params < total
        ):
            bag.add(
                "CS408",
                f"`{node.layer.op}` holds {100 * node.params // total} % of the "
                "network's parameters",
                _place(node),
                f"{node.params:,} of {total:,}",
                help="`global_avg_pool`, or more pooling before it, makes it smaller",
            )


def _functions_before_the_loss(graph: Graph, losses: dict[str, str], bag: Bag) -> None:
    """A softmax the loss applies itself, or an activation that spoils the logits."""
    from cnnspec.training import TAKEN_OVER

    for output, edge in graph.outputs.items():
        wanted = TAKEN_OVER.get(losses[output])
        node = graph.nodes[edge.node]
        name = last_function(node.layer) if node.layer else None
        if wanted is None or name is None or name == "log_softmax":
            continue
        if name == wanted:
            bag.add(
                "CS491",
                f"`{name}` is left to the loss: training sees the logits",
                _place(node, "activation"),
                help="serving and `predict.py` apply it",
            )
        else:
            bag.add(
                "CS410",
                f"`{losses[output]}` takes logits, and gets what `{name}` makes of them",
                _place(node, "activation"),
                help=f"end with the `dense` alone, or with `{wanted}`",
            )


def _raw_input(spec: Spec, graph: Graph, data: dict[str, object], bag: Bag) -> None:
    """Values that neither the data section nor the first layer normalises."""
    node = spec.data
    if node is None or "normalize" not in data or data["normalize"] is not None:
        return
    inputs = {edge.node for edge in graph.inputs.values()}
    firsts = [n for n in graph.nodes if inputs & {edge.node for edge in n.inputs}]
    if any(n.layer is not None and n.layer.op in NORMALISING for n in firsts):
        return
    source = node.get("source")
    bag.add(
        "CS409",
        "the input is never normalised",
        node.span if source is None else source.span,
        help="give `normalize: {mean: …, std: …}`, or begin with `batch_norm`",
    )


def _place(node: Node, field: str = "") -> Span:
    """A field where it is given, else the operation."""
    entry = node.entry
    assert entry is not None
    given = entry.given.get(field) if isinstance(entry, Operation) else None
    return entry.key_span if given is None else given.node.span


def _related(node: Node, message: str) -> tuple[Label, ...]:
    entry: Entry | None = node.entry
    return (Label(entry.key_span, message),) if entry is not None else ()
