"""What an expansion sees at a place: frames, and the values in the scope of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.spec import Entry, Operation
from cnnspec.values import Unevaluable

if TYPE_CHECKING:
    from cnnspec.findings import Findings
    from cnnspec.graph import Edge, Graph, Node, Scope
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape
    from cnnspec.spec import Block, Use


class Frame(NamedTuple):
    """Where the walk stands: names in sight of expressions, outputs in sight of references."""

    scope: Scope
    values: dict[str, Any]
    outputs: dict[object, Edge]
    suffix: str  # `[i]` of the repeated containers around, within the definition
    trainable: bool
    serves: bool
    nesting: int


def ports_of(entry: Entry, layer: Layer | None) -> int:
    """How many outputs an entry has, known or not."""
    if layer is not None:
        return layer.ports
    if type(entry) is Operation and entry.parts:
        return entry.parts[-1].port + 1
    return 1


def take_arguments(
    scope: Scope, entry: Use, values: dict[str, Any], findings: Findings
) -> None:
    """Evaluates a use's arguments among the caller's values."""
    assert scope.parent is not None
    for name, argument in entry.block.args.items():
        value = entry.given.get(name)
        try:
            if value is not None:
                scope.values[name] = value.evaluate(values)
            elif argument.default is not None:
                scope.values[name] = argument.default.tree
            else:
                scope.incomplete = True
        except Unevaluable as fault:
            findings.unevaluable(fault, scope.parent)
            scope.values.pop(name, None)
            scope.incomplete = True


def take_let(scope: Scope, block: Block, findings: Findings) -> None:
    """Evaluates a block's local values, which may use its arguments and each other."""
    for name, value in block.let.items():
        try:
            scope.values[name] = value.evaluate(scope.values)
        except Unevaluable as fault:
            findings.unevaluable(fault, scope)
            scope.values.pop(name, None)
            scope.incomplete = True


def bind_channels(scope: Scope, shape: Shape | None) -> None:
    """Lets `in_channels` be the channels that enter the scope."""
    if shape is None:
        scope.incomplete = True
    elif shape.channels is not None:
        scope.values["in_channels"] = shape.channels


def share_weights(graph: Graph, owners: list[Node], nodes: list[Node]) -> bool:
    """Gives the layers of a reuse the weights of the first; False where they don't fit."""
    if any(None in node.outputs for node in (*owners, *nodes)):
        return True  # reported already
    fits = len(owners) == len(nodes)
    for owner, node in zip(owners, nodes, strict=False):
        fits = fits and type(owner.layer) is type(node.layer)
        if fits and owner.layer is not None and node.layer is not None:
            mine = node.layer.weights(graph.shapes_in(node))
            fits = mine == owner.layer.weights(graph.shapes_in(owner))
            if mine:
                node.reuses = owner.reuses or owner.path
                _mark(graph, node)
        node.params = node.trainable_params = 0
    return fits


def _mark(graph: Graph, node: Node) -> None:
    """Remembers the block instances around a layer with another's weights."""
    scope: Scope | None = node.scope
    while scope is not None:
        graph.sharing.add(scope)
        scope = scope.parent
