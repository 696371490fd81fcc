"""What Keras flattens it counts pixel by pixel; here a vector is counted channel by channel.

The state of a file of another Keras program enters, whose dense layers behind `flatten` have
their inputs in Keras' order; the same state in the spec's order leaves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnspec.graph import Edge, Graph, Node
from cnnspec.layers.layer import Layer
from cnnspec.shapes import VECTOR, Shape
from cnnspec.weights.contents import Array
from cnnspec.weights.convert import Unfit
from cnnspec.weights.layout import Holder, holders

Order = np.ndarray[Any, np.dtype[np.intp]]  # where Keras has each number of a vector
SUMS = ("dense", "radial_basis")  # read a vector by the last axis of a weight
EACH = ("layer_norm", "rms_norm")  # keep a vector's numbers in their places


def by_channel(
    graph: Graph, state: dict[str, Array], others: frozenset[str]
) -> dict[str, Array]:
    """The state with what reads flattened maps in the spec's order.

    Args:
        others: names of layers in the file: a program of cnnspec's own has one there that
            puts the channels first.

    Raises: Unfit, where the order that a layer reads is not to be known.
    """
    walk = _Walk(graph, state, others)
    for index in range(len(graph.nodes)):
        walk.step(index)
    return walk.state


def pixel_order(shape: Shape) -> Order | None:
    """Of maps (C, spatial…) that are flattened; None where both orders are the same."""
    channels, pixels = shape.sizes[0], shape.elements // shape.sizes[0]
    if not shape.rank or channels == 1 or pixels == 1:
        return None
    return np.arange(shape.elements).reshape(pixels, channels).T.ravel()


class _Walk:
    """Follows vectors through the graph."""

    def __init__(
        self, graph: Graph, state: dict[str, Array], others: frozenset[str]
    ) -> None:
        self.state = dict(state)
        self._graph = graph
        self._others = others
        self._holders = {holder.path: holder for holder in holders(graph)}
        self._orders: dict[Edge, Order] = {}
        self._read: dict[str, bytes] = {}  # orders by the path of what has weights

    def step(self, index: int) -> None:
        node = self._graph.nodes[index]
        layer, shapes = node.layer, self._graph.shapes_in(node)
        if layer is None:
            return
        order = self._entering(node, layer, shapes)
        if shapes and shapes[0].layout == VECTOR:
            self._turn(node, layer, order)
        made = node.outputs[0]
        assert made is not None
        if layer.op in ("flatten", "reshape") and made.layout == VECTOR:
            if shapes[0].rank and f"{_key(node.path)}.permute" not in self._others:
                order = pixel_order(shapes[0])
        elif layer.op == "reshape" and shapes[0].layout == VECTOR and made.rank:
            if pixel_order(made) is not None:
                raise _open(node)
        elif layer.op in SUMS:
            order = None
        if order is not None:
            self._orders[Edge(index)] = order

    def _entering(
        self, node: Node, layer: Layer, shapes: tuple[Shape, ...]
    ) -> Order | None:
        """The order of what the layer reads, which it must leave as it is, or sum over."""
        orders = [self._orders.get(edge) for edge in node.inputs]
        if all(order is None for order in orders):
            return None
        sizes = [shape.sizes[0] for shape in shapes]
        each = [
            np.arange(size) if order is None else order
            for order, size in zip(orders, sizes, strict=True)
        ]
        if layer.op == "concat":
            starts = np.cumsum([0, *sizes[:-1]])
            return np.concatenate([o + s for o, s in zip(each, starts, strict=True)])
        is_kept = layer.reach(shapes) is None and node.outputs[0] == shapes[0]
        is_same = all(np.array_equal(each[0], order) for order in each)
        if not is_same or not (is_kept or layer.op in (*SUMS, *EACH, "flatten")):
            raise _open(node)
        return each[0]

    def _turn(self, node: Node, layer: Layer, order: Order | None) -> None:
        """Puts the weights of a layer in the spec's order, once."""
        path = _key(node.reuses or node.path)
        holder = self._holders.get(path)
        if holder is None:
            return
        read = b"" if order is None else order.tobytes()
        if self._read.setdefault(path, read) != read:
            raise _open(node)
        if node.reuses:
            return
        if order is not None:
            for name in _reading(holder, layer, order.size):
                self.state[name] = self.state[name][..., order]


def _reading(holder: Holder, layer: Layer, size: int) -> list[str]:
    """Tensors with an axis for the numbers of the vector, which is their last."""
    axes = 2 if layer.op in SUMS else 1
    return [
        holder.key(weight.name)
        for weight in holder.weights
        if len(weight.shape) == axes and weight.shape[-1] == size
    ]


def _key(path: str) -> str:
    return path.replace("[", ".").replace("]", "")


def _open(node: Node) -> Unfit:
    return Unfit(
        [
            f"{node.path}: which number of a flattened map is which can't be said here: Keras "
            "counts them pixel by pixel, a spec channel by channel"
        ]
    )
