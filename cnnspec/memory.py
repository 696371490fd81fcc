"""A checked graph, a batch size and a precision enter; the memory of a training step leaves.

A step is walked through as PyTorch runs it: forward, while the gradients of the step before are
still there, then backward from the loss, layer by layer. What is counted are tensors, those that
share memory once; not counted are a kernel's own scratch memory, the data, the framework.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.diagnostics import Bag
from cnnspec.graph import Edge
from cnnspec.layers.layer import Kept
from cnnspec.report import in_bytes
from cnnspec.training import read_training

if TYPE_CHECKING:
    from cnnspec.compile import Checked
    from cnnspec.graph import Graph, Node
    from cnnspec.optimizers import Optimizer


class Precision(NamedTuple):
    """Bytes per number; `copy` is that of a second copy of the weights, to compute with."""

    weight: int
    copy: int
    gradient: int
    state: int
    activation: int


PRECISIONS = {
    "float32": Precision(4, 0, 4, 4, 4),
    "bfloat16": Precision(2, 0, 2, 2, 2),
    "mixed_bfloat16": Precision(4, 2, 4, 4, 2),
}


# What a person reads behind each figure.
ABOUT = {
    "total": "at the fullest moment of a step",
    "weights": "and running statistics",
    "gradients": "of the weights that learn",
    "optimizer_state": "beside each weight that learns",
    "activations": "kept from the forward to the backward pass",
    "working": "what the fullest moment needs beyond these",
}


class Memory(NamedTuple):
    """Bytes of a training step.

    `activations` are kept from forward to backward; `working` is what the fullest moment of
    the step needs beyond the other terms.
    """

    weights: int
    gradients: int
    optimizer_state: int
    activations: int
    working: int

    @property
    def total(self) -> int:
        return sum(self)


def memory_json(
    checked: Checked, batch_size: int, precision: str
) -> dict[str, Any] | None:
    """What `check --batch-size` adds to a spec's JSON; None where the spec has errors."""
    if checked.has_errors:
        return None
    optimizer = _optimizer(checked)
    assert checked.graph is not None
    memory = training_memory(
        checked.graph, optimizer, batch_size, PRECISIONS[precision]
    )
    return {
        "batch_size": batch_size,
        "precision": precision,
        "optimizer": optimizer.kind,
        **memory._asdict(),
        "total": memory.total,
    }


def memory_text(checked: Checked, batch_size: int, precision: str) -> str:
    """The same as lines below a table."""
    found = memory_json(checked, batch_size, precision)
    assert found is not None
    rows = [("training", "total"), *((f"  {term}", term) for term in Memory._fields)]
    widest = max(len(in_bytes(found[term])) for _, term in rows)
    lines = [
        f"{label.replace('_', ' '):<17}  {in_bytes(found[term]):>{widest}}  {ABOUT[term]}"
        for label, term in rows
    ]
    lines[0] += (
        f", batches of {batch_size:,}, {precision.replace('_', ' ')}, {found['optimizer']}"
    )
    return "\n".join(["", *lines]) + "\n"


def _optimizer(checked: Checked) -> Optimizer:
    """The spec's own, or the default."""
    assert checked.spec is not None and checked.graph is not None
    train = read_training(checked.spec, checked.graph, Bag()).train
    assert train is not None
    optimizer: Optimizer = train.optimizer
    return optimizer


def training_memory(
    graph: Graph, optimizer: Optimizer, batch_size: int, precision: Precision
) -> Memory:
    """Of a graph without errors, all its heads included."""
    numbers = trainable = 0
    for node in graph.layers:
        assert node.layer is not None
        tensors = node.layer.weights(graph.shapes_in(node))
        numbers += 0 if node.reuses else sum([tensor.count for tensor in tensors])
        trainable += node.trainable_params
    weights = numbers * (precision.weight + precision.copy)
    gradients = trainable * precision.gradient
    step = _Step(graph, batch_size, precision)
    fullest_forward = step.forward()
    activations = step.live
    fullest_backward = step.backward()
    fullest = max(fullest_forward + gradients, fullest_backward)
    return Memory(
        weights,
        gradients,
        trainable * precision.state * optimizer.moments,
        activations,
        max(0, fullest - gradients - activations),
    )


class _Step:
    """One training step; `live` are the bytes of tensors that depend on the batch."""

    def __init__(self, graph: Graph, batch_size: int, precision: Precision) -> None:
        self.graph = graph
        self.batch_size = batch_size
        self.precision = precision
        self.live = self.fullest = 0
        self.uses: dict[Hashable, int] = {}  # how often a tensor is still needed
        self.sizes: dict[Hashable, int] = {}
        self.roots: dict[Edge, Edge] = {}  # the tensor in whose memory an output lies
        self.kept: dict[int, Kept] = {}
        self.learns: dict[int, bool] = {}  # whether a gradient flows into a node
        self.gradients: dict[Edge, Hashable] = {}

    def make(self, tensor: Hashable, size: int, uses: int) -> None:
        """A new tensor; one that nobody needs is gone at once."""
        self.live += size
        self.fullest = max(self.fullest, self.live)
        self.uses[tensor], self.sizes[tensor] = uses, size
        if not uses:
            self.live -= size

    def use(self, tensor: Hashable) -> None:
        self.uses[tensor] += 1

    def done(self, tensor: Hashable) -> None:
        self.uses[tensor] -= 1
        if not self.uses[tensor]:
            self.live -= self.sizes[tensor]

    def size(self, edge: Edge) -> int:
        shape = self.graph.shape(edge)
        assert shape is not None
        return shape.elements * self.batch_size * self.precision.activation

    def forward(self) -> int:
        """The bytes at the fullest moment; afterwards what is kept is live."""
        nodes, ends = self.graph.nodes, list(self.graph.outputs.values())
        readers: dict[Edge, int] = {}
        for edge in [edge for node in nodes for edge in node.inputs] + ends:
            readers[edge] = readers.get(edge, 0) + 1
        for number, node in enumerate(nodes):
            outputs = [Edge(number, port) for port in range(len(node.outputs))]
            kept = self.kept[number] = self._kept(number, node)
            between = kept.between * self.batch_size * self.precision.activation
            self.make(("between", number), between, 1)
            for edge in outputs:
                if kept.in_place:
                    self.roots[edge] = self.roots[node.inputs[0]]
                    self.uses[self.roots[edge]] += readers.get(edge, 0)
                else:
                    self.roots[edge] = edge
                    self.make(edge, self.size(edge), readers.get(edge, 0))
            if kept.inputs:
                for edge in node.inputs:
                    self.use(self.roots[edge])
            if kept.outputs:
                for edge in outputs:
                    self.use(self.roots[edge])
            extra = kept.numbers * self.precision.activation + kept.bytes
            self.make(number, extra * self.batch_size, 1)
            self.done(("between", number))
            for edge in node.inputs:
                self.done(self.roots[edge])
        for edge in ends:  # a loss keeps one tensor of its output's size, such as log p
            self.make(("loss", edge), self.size(edge), 1)
            self.done(self.roots[edge])
        return self.fullest

    def _kept(self, number: int, node: Node) -> Kept:
        """What a node keeps; where no gradient passes it keeps nothing."""
        learns = node.trainable_params > 0 or any(
            self.learns[edge.node] for edge in node.inputs
        )
        self.learns[number] = learns
        if node.layer is None:
            return Kept(inputs=False)
        outputs = tuple([shape for shape in node.outputs if shape is not None])
        kept = node.layer.keeps(self.graph.shapes_in(node), outputs)
        return kept if learns else Kept(inputs=False, in_place=kept.in_place)

    def backward(self) -> int:
        """The bytes at the fullest moment, with the weights' gradients so far."""
        self.fullest = 0
        for edge in self.graph.outputs.values():
            self._give(edge, ("from loss", edge))
            self.done(("loss", edge))
        for number in range(len(self.graph.nodes) - 1, -1, -1):
            if self.learns[number] and self.graph.nodes[number].layer is not None:
                self._back(number, self.graph.nodes[number])
        return self.fullest

    def _back(self, number: int, node: Node) -> None:
        kept = self.kept[number]
        outputs = [Edge(number, port) for port in range(len(node.outputs))]
        incoming = [self.gradients.pop(e) for e in outputs if e in self.gradients]
        weights = node.trainable_params * self.precision.gradient
        self.make(("weights", number), weights, 1)  # stays until the step's end
        if kept.between:
            size = kept.between * self.batch_size * self.precision.activation
            self.make(("gradient", number), size, 1)
            for tensor in incoming:
                self.done(tensor)
            incoming = [("gradient", number)]
        for edge in node.inputs:
            if not self.learns[edge.node]:
                continue
            if kept.hands_on and incoming:
                self._give(edge, incoming[0], is_new=False)
            else:
                self._give(edge, (number, edge))
        for tensor in incoming:
            self.done(tensor)
        if kept.inputs:
            for edge in node.inputs:
                self.done(self.roots[edge])
        if kept.outputs:
            for edge in outputs:
                self.done(self.roots[edge])
        self.done(number)

    def _give(self, edge: Edge, tensor: Hashable, is_new: bool = True) -> None:
        """A gradient for an output; several are added up in the first one's memory."""
        if is_new:
            self.make(tensor, self.size(edge), 1)
        else:
            self.use(tensor)
        if edge in self.gradients:
            self.done(tensor)
        else:
            self.gradients[edge] = tensor
