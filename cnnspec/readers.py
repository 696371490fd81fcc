"""A graph enters; outputs that nobody reads, or that only training has, go into the bag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.diagnostics import Label
from cnnspec.graph import Edge
from cnnspec.spec import Operation

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph, Node
    from cnnspec.spec import Spec


def check_readers(spec: Spec, graph: Graph, bag: Bag) -> None:
    """Every layer is read by another or is an output, and serving reads what serves.

    A layer that nobody reads is an error: Keras leaves it out of a model, PyTorch does not,
    so the two would not be the same network.
    """
    if not graph.outputs:
        return
    _check_unread(graph, bag)
    _check_serving(spec, graph, bag)


def _check_unread(graph: Graph, bag: Bag) -> None:
    read = {edge for node in graph.nodes for edge in _read_by(node)}
    read |= set(graph.outputs.values())
    ends = {}  # of heads that `outputs` leaves out
    for entry, occurrences in graph.occurrences.items():
        if graph.heads.get(entry.name) is entry:
            ends.update({o.output.node: entry for o in occurrences})
    for number, node in enumerate(graph.nodes):
        if node.entry is None or None in node.outputs:
            continue
        entry = ends.get(number, node.entry)
        unread = [p for p in range(len(node.outputs)) if Edge(number, p) not in read]
        if not unread:
            continue
        if len(node.outputs) > 1 and isinstance(entry, Operation):
            _report_parts(entry, unread, bag)
            continue
        bag.add(
            "CS222",
            f"nobody reads the output of `{entry.name}`",
            entry.key_span,
            help="remove it, or name it in a `from`, `with` or `outputs`",
        )


def _read_by(node: Node) -> tuple[Edge, ...]:
    """The edges whose numbers a node reads: an extent alone makes no layer of Keras' model."""
    takes_extent = node.layer is not None and node.layer.takes_extent
    return node.inputs[:1] if takes_extent else node.inputs


def _report_parts(entry: Operation, unread: list[int], bag: Bag) -> None:
    for part in entry.parts:
        if part.port in unread:
            bag.add(
                "CS222",
                f"nobody reads the part `{part.name}`",
                part.span,
                help=f"name it in a `from`, `with` or `outputs`: `from: {part.name}`",
            )


def _check_serving(spec: Spec, graph: Graph, bag: Bag) -> None:
    for node in graph.nodes:
        if not node.serves or node.entry is None:
            continue
        for edge in node.inputs:
            source = graph.nodes[edge.node]
            if not source.serves:
                _report_training_only(node, source, bag)
    if spec.outputs and not any(graph.serves(name) for name in graph.outputs):
        bag.add(
            "CS223",
            "no output exists outside of training",
            spec.outputs[0].span,
            help="list an output that serves, or let the head `serve: true`",
        )


def _report_training_only(node: Node, source: Node, bag: Bag) -> None:
    assert node.entry is not None and source.entry is not None
    reference = node.entry.source
    bag.add(
        "CS223",
        f"`{node.entry.name}` reads a head that exists in training alone",
        reference.span if reference is not None else node.entry.key_span,
        help="let the head `serve: true`, or read the layer before it",
        related=(Label(source.entry.key_span, "exists in training alone"),),
    )
