"""The expanded network: nodes with shapes and costs, and where in the spec each came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape
    from cnnspec.spec import Block, Entry, Head, Use


class Edge(NamedTuple):
    """An output of a node: what another node reads."""

    node: int
    port: int = 0


class Scope:
    """One instance of a block, or the model itself.

    `values` are the names that expressions see; `incomplete` says that some are missing because
    of a fault reported elsewhere.
    """

    __slots__ = ("block", "incomplete", "parent", "path", "round", "use", "values")

    def __init__(
        self,
        block: Block | None,
        values: dict[str, Any],
        path: str,
        parent: Scope | None = None,
        use: Use | None = None,
        round: tuple[int, int] | None = None,
    ) -> None:
        self.block = block
        self.values = values
        self.path = path
        self.parent = parent
        self.use = use
        self.round = round  # index and count, where the use repeats
        self.incomplete = False


class Field(NamedTuple):
    """A receptive field on the input: extent and step in pixels, per axis."""

    size: tuple[int, ...]
    stride: tuple[int, ...]


class Node:
    """One executed operation; an input of the model has no layer and no entry.

    `outputs` holds None where the shape could not be inferred.
    """

    __slots__ = (
        "entry",
        "field",
        "inputs",
        "layer",
        "macs",
        "outputs",
        "params",
        "path",
        "reuses",
        "scope",
        "serves",
        "trainable",
        "trainable_params",
    )

    def __init__(
        self,
        path: str,
        layer: Layer | None,
        inputs: tuple[Edge, ...],
        outputs: tuple[Shape | None, ...],
        entry: Entry | None,
        scope: Scope,
    ) -> None:
        self.path = path
        self.layer = layer
        self.inputs = inputs
        self.outputs = outputs
        self.entry = entry
        self.scope = scope
        self.params = 0
        self.trainable_params = 0
        self.macs = 0
        self.field: Field | None = None
        self.reuses: str | None = None  # the path of the layer that has its weights
        self.trainable = True
        self.serves = True


class Occurrence(NamedTuple):
    """An entry met in a scope: once for each round of its repeats, or dropped.

    `values` are the scope's with `index`; `rounds` is the number of rounds of the entry here,
    None where it does not repeat. `node` is an operation's or a container's last node, `child`
    a use's scope.
    """

    scope: Scope
    values: dict[str, Any]
    kept: bool
    rounds: int | None
    inputs: tuple[Edge, ...]
    output: Edge
    node: Node | None = None
    child: Scope | None = None


class Graph:
    """All nodes in an order in which they can run, inputs first."""

    __slots__ = (
        "heads",
        "inputs",
        "nodes",
        "occurrences",
        "outputs",
        "sharing",
        "splits",
    )

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: dict[str, Edge] = {}
        self.outputs: dict[str, Edge] = {}
        self.heads: dict[str, Head] = {}
        self.occurrences: dict[Entry, list[Occurrence]] = {}
        # Before the branches, by the container's path:
        self.splits: dict[str, Node] = {}
        # Instances of blocks that hold a layer with another's weights:
        self.sharing: set[Scope] = set()

    def shape(self, edge: Edge) -> Shape | None:
        return self.nodes[edge.node].outputs[edge.port]

    def shapes_in(self, node: Node) -> tuple[Shape, ...]:
        """Shapes that enter a node of a graph without errors."""
        shapes = [self.shape(edge) for edge in node.inputs]
        return tuple([shape for shape in shapes if shape is not None])

    @property
    def layers(self) -> list[Node]:
        """The executed operations, without the inputs."""
        return [node for node in self.nodes if node.entry is not None]

    def serves(self, name: str) -> bool:
        """Whether an output exists outside of training."""
        head = self.heads.get(name)
        return head is None or head.serve
