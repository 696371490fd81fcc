"""Mappings whose keys are declared as fields: nodes enter, instances of the class leave.

The fields' own parsers read what is right; where one refuses, `schema.explain` says why.
"""

from __future__ import annotations

from collections.abc import Mapping as Scope
from typing import TYPE_CHECKING, Any, TypeVar

from cnnspec.expressions import Name
from cnnspec.fields import Declared, Refused
from cnnspec.spec import Variables
from cnnspec.values import Unevaluable, Value, read_value
from cnnspec.yamltree import Mapping, Node, Scalar

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span

D = TypeVar("D", bound=Declared)
UNKNOWN_NAME = "CS203"


def read_given(
    cls: type[Declared], node: Node | None, owner: str, span: Span, bag: Bag
) -> dict[str, Value] | None:
    """The given fields of a mapping; None where the structure is wrong (it is in the bag).

    Args:
        node: the mapping, or an empty scalar for "all defaults".
        owner: whose fields, for messages: "`conv`".
        span: of the owner's name, where a missing field is reported.
    """
    if node is None or (isinstance(node, Scalar) and node.value is None):
        node = Mapping(span, (), True)
    given: dict[str, Value] = {}
    wrong = not isinstance(node, Mapping)
    malformed = False
    if isinstance(node, Mapping):
        fields = cls.fields
        for key, child in node.items:
            field = fields.get(key.text)
            if field is None:
                wrong = True
                continue
            value = read_value(child, bag, field.takes_text)
            if value is None:
                malformed = True
                continue
            given[key.text] = value
            if not value.dynamic:
                try:
                    field.accept(value.tree)
                except Refused:
                    wrong = True
        for name, field in fields.items():
            if field.required and name not in node:
                wrong = True
    if wrong:
        from cnnspec.schema import explain

        explain(cls, node, owner, span, bag)
    return None if wrong or malformed else given


def settle(
    cls: type[D],
    given: dict[str, Value],
    scope: Scope[str, Any],
    owner: str,
    span: Span,
    bag: Bag,
    notes: tuple[str, ...] = (),
) -> D | None:
    """An instance with every field evaluated in a scope; None where one is refused.

    Raises: Unevaluable.
    """
    accepted = {}
    for name, value in given.items():
        plain = value.evaluate(scope)
        try:
            accepted[name] = cls.fields[name].accept(plain)
        except Refused:
            from cnnspec.schema import explain_value

            node = origin(value, scope)
            explain_value(cls, name, plain, node, owner, span, bag, notes)
            return None
    return cls(accepted)


def origin(value: Value, scope: Scope[str, Any]) -> Node:
    """Where a value was written: a variable that is handed on whole is not at fault here."""
    expr = value.tree
    if isinstance(scope, Variables) and isinstance(expr, Name):
        return scope.nodes.get(expr.name, value.node)
    return value.node


def read_declared(
    cls: type[D],
    node: Node | None,
    owner: str,
    span: Span,
    variables: Variables,
    bag: Bag,
) -> D | None:
    """`read_given` and `settle` in one, for sections that stand outside of blocks."""
    given = read_given(cls, node, owner, span, bag)
    if given is None:
        return None
    try:
        return settle(cls, given, variables, owner, span, bag)
    except Unevaluable as fault:
        report(fault, bag, variables)
        return None


def report(fault: Unevaluable, bag: Bag, variables: Variables) -> None:
    """Puts an expression's failure into the bag, unless a broken variable explains it."""
    error = fault.error
    if not (error.code == UNKNOWN_NAME and variables.broken):
        bag.add(error.code, error.message, fault.span, help=error.help)
