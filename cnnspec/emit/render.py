"""Values of a site enter, code nodes leave; expressions are checked against all instances."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import isinf
from typing import Any, TypeAlias

from cnnspec.algebra import simplify, substitute
from cnnspec.emit import call
from cnnspec.emit.call import Code, Dict, Tuple
from cnnspec.emit.quote import literal
from cnnspec.expressions import (
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    ExpressionError,
    Literal,
    Logic,
    Name,
    Unary,
    evaluate,
    names,
)
from cnnspec.unparse import unparse

SHORT = 30  # columns; what is longer may be broken over lines

# An Expr, a plain literal, a Verbatim, or a tuple or dict of Values.
Value: TypeAlias = Any


class Verbatim:
    """Code that is no value of a spec, such as a function of the framework."""

    __slots__ = ("code",)

    def __init__(self, code: Code) -> None:
        self.code = code


def render(value: Value, spelling: Mapping[str, str]) -> Code:
    """A value as code; `spelling` is how names are written where they differ."""
    if isinstance(value, Expr):
        changed = {n: Name(spelling[n]) for n in names(value) if n in spelling}
        return code_of(substitute(value, changed) if changed else value)
    if isinstance(value, tuple | list):
        return Tuple(tuple(render(item, spelling) for item in value))
    if isinstance(value, dict):
        pairs = [(literal(key), render(item, spelling)) for key, item in value.items()]
        return Dict(tuple(pairs))
    if isinstance(value, Verbatim):
        return value.code
    if isinstance(value, float) and isinf(value):
        return 'float("inf")' if value > 0 else 'float("-inf")'
    return literal(value)


def code_of(expr: Expr) -> Code:
    """An expression as code that can be laid out over lines, where it is long."""
    text = unparse(expr)
    return text if len(text) <= SHORT else _broken(expr)


def _broken(expr: Expr) -> Code:
    """Code whose operators are nodes, down to the operands: a text would get no parentheses."""
    match expr:
        case Binary(op, left, right) if op != "**":
            return call.Binary(op, (_broken(left), _broken(right)))
        case Compare(ops, terms) if len(ops) == 1:
            return call.Binary(ops[0], tuple(map(_term, terms)))
        case Logic(op, terms):
            return call.Binary(op, tuple(map(_broken, terms)))
        case Conditional(then, condition, otherwise):
            return call.Conditional(*map(_broken, (then, condition, otherwise)))
        case Call(function, arguments):
            name = f"math.{function}" if function in ("ceil", "floor") else function
            return call.Call(name, tuple(map(code_of, arguments)))
    return unparse(expr)


def _term(expr: Expr) -> Code:
    """A term of a comparison: `not` and chains stay texts, and bind no tighter than it."""
    is_not = isinstance(expr, Unary) and expr.op == "not"
    is_text = is_not or (isinstance(expr, Compare) and len(expr.ops) > 1)
    return call.Parenthesized(unparse(expr)) if is_text else _broken(expr)


def used_names(value: Value) -> frozenset[str]:
    if isinstance(value, Expr):
        return names(value)
    if isinstance(value, tuple | list):
        return frozenset().union(*map(used_names, value))
    if isinstance(value, dict):
        return frozenset().union(*map(used_names, value.values()))
    return frozenset()


def evaluate_value(value: Value, scope: Mapping[str, Any]) -> Any:
    """The plain value; raises ExpressionError."""
    if isinstance(value, Expr):
        if isinstance(value, Name) and value.name in scope:
            return _tuples(scope[value.name])
        return evaluate(value, scope)
    if isinstance(value, tuple | list):
        return tuple(evaluate_value(item, scope) for item in value)
    if isinstance(value, dict):
        return {key: evaluate_value(item, scope) for key, item in value.items()}
    return value


def _tuples(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _tuples(item) for key, item in plain.items()}
    return tuple(map(_tuples, plain)) if isinstance(plain, list) else plain


def holds(value: Value, wanted: list[Any], scopes: list[dict[str, Any]]) -> bool:
    """Whether a value is what is wanted in every scope."""
    try:
        return all(
            _alike(evaluate_value(value, scope), want)
            for scope, want in zip(scopes, wanted, strict=True)
        )
    except ExpressionError:
        return False


def _alike(a: Any, b: Any) -> bool:
    """Equal, and of one kind of number: 32.0 is no number of filters."""
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b) and type(a) is type(b)


def holds_anywhere(value: Value, wanted: Any, scopes: list[dict[str, Any]]) -> bool:
    """Whether a value is what is wanted in some scope."""
    return any(holds(value, [wanted], [scope]) for scope in scopes)


def shortest(values: list[Value]) -> Value:
    """The value that is shortest to read; of equal ones the first."""
    return min(values, key=_length)


def _length(value: Value) -> int:
    return len(unparse(value)) if isinstance(value, Expr) else len(str(value))


def bind(expr: Expr, constants: Mapping[str, Any], floats: Collection[str]) -> Value:
    """An expression with constants put in: a literal where nothing else is left.

    Args:
        floats: names that may hold a float, which simplification must know.
    """
    known = {
        n: Literal(constants[n])
        for n in names(expr)
        if n in constants and not isinstance(constants[n], list)
    }
    result = simplify(substitute(expr, known), floats) if known else expr
    return result.value if isinstance(result, Literal) else result
