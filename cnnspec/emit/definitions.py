"""A checked graph enters; its definitions leave: each block that is used, callees first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.algebra import simplify
from cnnspec.emit.render import Value, bind
from cnnspec.expressions import Expr
from cnnspec.spec import Block, Body, Use, entries_of

if TYPE_CHECKING:
    from cnnspec.graph import Graph, Occurrence, Scope
    from cnnspec.spec import Spec
    from cnnspec.values import Value as SpecValue


class Definition:
    """A block with all its instances, or the model itself (`block` is None).

    `constants` are names that are literals in the code: the variables of the build and, in the
    model, its channels. What emission finds out on the way is kept here, for the callers:
    `channels` are expressions that give the output's channels, `extras` are numbers that no
    expression gives, by the name of the argument that carries them.
    """

    __slots__ = (
        "block",
        "body",
        "channels",
        "constants",
        "extras",
        "floats",
        "functions",
        "reads_channels",
        "scopes",
    )

    def __init__(
        self,
        block: Block | None,
        body: Body,
        scopes: list[Scope],
        constants: dict[str, Any],
    ) -> None:
        self.block = block
        self.body = body
        self.scopes = scopes
        self.constants = constants
        self.channels: list[Expr] = []
        self.extras: dict[str, dict[Scope, Any]] = {}
        self.floats = {
            name
            for scope in scopes
            for name, value in scope.values.items()
            if isinstance(value, float)
        }
        self.functions = False  # whether it applies functions, in Keras, besides layers
        self.reads_channels = False  # whether the constructor takes `in_channels`

    def simplified(self, expr: Expr) -> Expr:
        return simplify(expr, self.floats)

    def bound(self, value: SpecValue) -> Value:
        """A spec's value with the build's constants put in."""
        return _bound(value.tree, self.constants, self.floats)


def _bound(tree: Any, constants: dict[str, Any], floats: set[str]) -> Value:
    if isinstance(tree, Expr):
        return bind(tree, constants, floats)
    if isinstance(tree, list):
        return tuple(_bound(item, constants, floats) for item in tree)
    if isinstance(tree, dict):
        return {key: _bound(item, constants, floats) for key, item in tree.items()}
    return tree


def find_definitions(spec: Spec, graph: Graph) -> list[Definition]:
    """Blocks that have instances, each after those it uses, and the model last."""
    found: dict[Block, Definition] = {}
    root = graph.nodes[0].scope

    def visit(body: Body) -> None:
        for entry in entries_of(body):
            if not isinstance(entry, Use) or entry.block in found:
                continue
            visit(entry.block.layers)
            scopes = [o.child for o in _of_block(graph, entry.block) if o.child]
            if scopes and entry.block not in found:
                found[entry.block] = Definition(
                    entry.block,
                    entry.block.layers,
                    scopes,
                    _constants(spec, entry.block),
                )

    visit(spec.layers)
    return [*found.values(), Definition(None, spec.layers, [root], dict(root.values))]


def _of_block(graph: Graph, block: Block) -> list[Occurrence]:
    return [
        occurrence
        for entry, occurrences in graph.occurrences.items()
        for occurrence in occurrences
        if occurrence.child is not None and occurrence.child.block is block
    ]


def _constants(spec: Spec, block: Block) -> dict[str, Any]:
    """Variables that no argument or local value hides."""
    return {
        name: value
        for name, value in spec.variables.items()
        if name not in block.args and name not in block.let
    }
