"""A spec and its graph enter; what is allowed but hardly meant goes into the bag (CS4nn)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.spec import walk

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph
    from cnnspec.spec import Spec


def lint(spec: Spec, graph: Graph, bag: Bag) -> None:
    """Every rule over the whole network; rules of one layer are its `remarks`."""
    _unread_layers(graph, bag)
    _unused_blocks(spec, bag)


def _unread_layers(graph: Graph, bag: Bag) -> None:
    """A layer whose output nobody reads computes for nothing."""
    if not graph.outputs:
        return
    read = {edge.node for node in graph.nodes for edge in node.inputs}
    read |= {edge.node for edge in graph.outputs.values()}
    for number, node in enumerate(graph.nodes):
        if number in read or None in node.outputs:
            continue
        if node.entry is None:
            continue
        bag.add(
            "CS403",
            f"nobody reads the output of `{node.entry.name}`",
            node.entry.key_span,
            help="remove it, or name it in a `from`, `with` or `outputs`",
        )


def _unused_blocks(spec: Spec, bag: Bag) -> None:
    used = {
        entry.key
        for body in (spec.layers, *(block.layers for block in spec.blocks.values()))
        for entry in walk(body)
    }
    for name, block in spec.blocks.items():
        if name not in used:
            bag.add("CS404", f"block `{name}` is never used", block.span)
