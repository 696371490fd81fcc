"""Values that may hold expressions: nodes of the tree enter, plain values leave once a scope is known."""

from __future__ import annotations

from collections.abc import Mapping as Scope
from typing import TYPE_CHECKING, Any

from cnnspec import yamltree
from cnnspec.expressions import Expr, ExpressionError, Name, evaluate
from cnnspec.scalars import TEXT, classify, parse, place_of_name
from cnnspec.yamltree import Node, Scalar, Sequence

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span

Plain = Any  # None, bool, int, float, str, list or dict of them


class Value:
    """What stands behind a key.

    Args:
        node: where it stands.
        tree: the plain value, with an Expr wherever an expression stands.
        dynamic: whether there is an Expr in it.
    """

    __slots__ = ("dynamic", "node", "tree")

    def __init__(self, node: Node, tree: Any, dynamic: bool) -> None:
        self.node = node
        self.tree = tree
        self.dynamic = dynamic

    def evaluate(self, scope: Scope[str, Plain]) -> Plain:
        """The plain value in a scope.

        Raises: Unevaluable, with the node of the expression at fault.
        """
        return _evaluate(self.tree, self.node, scope) if self.dynamic else self.tree

    def expressions(self) -> list[tuple[Expr, Node]]:
        """Every expression in it with its node."""
        return list(_expressions(self.tree, self.node)) if self.dynamic else []


class Unevaluable(Exception):
    """An expression that fails in this scope."""

    def __init__(self, error: ExpressionError, node: Node) -> None:
        super().__init__(error.message)
        self.error = error
        self.node = node

    @property
    def span(self) -> Span:
        """The unknown name, or the whole expression."""
        return place_of(self.error, self.node)


def place_of(error: ExpressionError, node: Node) -> Span:
    """The smallest part of an expression's scalar that shows the error."""
    if error.name and isinstance(node, Scalar):
        return place_of_name(node.text, node.span, error.name)
    return node.span


def read_value(node: Node, bag: Bag, text: bool = False) -> Value | None:
    """A node with its expressions parsed; None where one is malformed.

    Args:
        text: keep what a plain scalar says (`1.10`) rather than the number it means.
    """
    if isinstance(node, Scalar):
        value = node.value
        if type(value) is str and value.startswith("$"):
            return _read_text(node, value, bag)
        if text and node.plain and value is not None:
            value = node.text
        return Value(node, value, False)
    if isinstance(node, Sequence):
        items = [read_value(item, bag, text) for item in node.items]
        known = [item for item in items if item is not None]
        if len(known) < len(items):
            return None
        return Value(node, [v.tree for v in known], any(v.dynamic for v in known))
    pairs = [(key.text, read_value(value, bag, text)) for key, value in node.items]
    found = {key: value for key, value in pairs if value is not None}
    if len(found) < len(pairs):
        return None
    return Value(
        node,
        {key: value.tree for key, value in found.items()},
        any(value.dynamic for value in found.values()),
    )


def _read_text(node: Scalar, text: str, bag: Bag) -> Value | None:
    kind, plain = classify(text)
    if kind == TEXT:
        return Value(node, plain, False)
    expr = parse(text, node.span, bag)
    return None if expr is None else Value(node, expr, True)


def _evaluate(tree: Any, node: Node, scope: Scope[str, Plain]) -> Plain:
    if isinstance(tree, Expr):
        if type(tree) is Name and tree.name in scope:
            return scope[tree.name]  # a list may pass through whole
        try:
            return evaluate(tree, scope)
        except ExpressionError as error:
            raise Unevaluable(error, node) from None
    if isinstance(tree, list):
        assert isinstance(node, Sequence)
        return [_evaluate(t, n, scope) for t, n in zip(tree, node.items, strict=True)]
    if isinstance(tree, dict):
        assert isinstance(node, yamltree.Mapping)
        return {key.text: _evaluate(tree[key.text], n, scope) for key, n in node.items}
    return tree


def _expressions(tree: Any, node: Node) -> list[tuple[Expr, Node]]:
    if isinstance(tree, Expr):
        return [(tree, node)]
    found: list[tuple[Expr, Node]] = []
    if isinstance(tree, list):
        assert isinstance(node, Sequence)
        for part, item in zip(tree, node.items, strict=True):
            found += _expressions(part, item)
    elif isinstance(tree, dict):
        assert isinstance(node, yamltree.Mapping)
        for key, item in node.items:
            found += _expressions(tree[key.text], item)
    return found
