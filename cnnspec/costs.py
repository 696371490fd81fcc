"""A graph enters, its totals leave."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.graph import Edge, Graph, Node

FLOAT32 = 4  # bytes


class Costs(NamedTuple):
    """Sums over a set of layers: numbers that learn, those not frozen, multiply-adds."""

    params: int
    trainable_params: int
    macs: int


class Totals(NamedTuple):
    """What a network costs when it serves; `training` adds the heads with `serve: false`.

    `activation_bytes` are all layer outputs of one sample in float32; `depth` counts
    convolution, dense and recurrent layers on the longest path, heads excluded.
    """

    costs: Costs
    depth: int
    activation_bytes: int
    layers: int
    training: Costs


def total(graph: Graph) -> Totals | None:
    """None where a shape is unknown."""
    layers = graph.layers
    if not graph.outputs or any(None in node.outputs for node in layers):
        return None
    serving = [node for node in layers if node.serves]
    elements = sum(
        shape.elements
        for node in serving
        for shape in node.outputs
        if shape is not None
    )
    return Totals(
        _sum(serving),
        _depth(graph),
        elements * FLOAT32,
        len(serving),
        _sum(layers),
    )


def _sum(nodes: list[Node]) -> Costs:
    return Costs(
        sum(node.params for node in nodes),
        sum(node.trainable_params for node in nodes),
        sum(node.macs for node in nodes),
    )


def _depth(graph: Graph) -> int:
    depths: list[int] = []
    for node in graph.nodes:
        below = max([depths[edge.node] for edge in node.inputs], default=0)
        counts = node.layer is not None and node.layer.counts_depth
        depths.append(below + counts)
    ends: list[Edge] = [e for n, e in graph.outputs.items() if n not in graph.heads]
    return max(
        (depths[edge.node] for edge in ends or graph.outputs.values()), default=0
    )
