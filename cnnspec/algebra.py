"""Expressions enter; equal expressions, shorter or over other names, leave.

Needed where code is generated, not where a spec is checked.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from cnnspec.expressions import (
    MAX_NODES,
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
    walk,
)
from cnnspec.unparse import unparse

_NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TRUE, _FALSE = Literal(True), Literal(False)
_ZERO, _ONE = Literal(0), Literal(1)


def substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    """The expression with these expressions in the place of names, all at once.

    Raises: ExpressionError (CS204) where the result has more than MAX_NODES nodes.
    """
    result = _substitute(expr, values)
    for count, _ in enumerate(walk(result), start=1):
        if count > MAX_NODES:
            message = f"the expression is too large: more than {MAX_NODES} operations"
            raise ExpressionError("CS204", message)
    return result


def _substitute(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    if isinstance(expr, Name):
        return values.get(expr.name, expr)
    children = expr.children()
    return (
        expr.with_children([_substitute(c, values) for c in children])
        if children
        else expr
    )


def is_integer(expr: Expr, floats: Collection[str] = ()) -> bool:
    """Whether the value is certain to be an integer.

    Args:
        floats: the names whose value may be a float; the others hold integers (where a
            name holds a boolean or a text, no arithmetic has a value).
    """
    match expr:
        case Literal(value):
            return isinstance(value, int) and not isinstance(value, bool)
        case Name(name):
            return name not in floats
        case Unary(op):
            return op != "not" and is_integer(expr.operand, floats)
        case Binary("**", base, power):
            natural = (
                isinstance(power, Literal) and is_integer(power) and _int(power) >= 0
            )
            return natural and is_integer(base, floats)
        case Binary(op, left, right):
            return op != "/" and is_integer(left, floats) and is_integer(right, floats)
        case Conditional(then, _, otherwise):
            return is_integer(then, floats) and is_integer(otherwise, floats)
        case Call("min" | "max", arguments):
            return all(is_integer(argument, floats) for argument in arguments)
        case Call():
            return True
    return False


def simplify(expr: Expr, floats: Collection[str] = ()) -> Expr:
    """A shorter expression with the same value wherever `expr` has one.

    Constants are folded, like terms of integer sums and products collected, neutral
    operands dropped, and divisions that leave no remainder carried out; the author's
    order of terms is kept. `(x // 4) * 4` stays.

    Args:
        floats: the names whose value may be a float; what holds for integers alone
            (`x // 1` is x) is then not applied to them.
    """
    children = expr.children()
    if not children:
        return expr
    expr = expr.with_children([simplify(child, floats) for child in children])
    folded = _fold(expr)
    if folded is not None:
        return folded
    match expr:
        case Unary("not", operand):
            return _negate(operand)
        case Unary("+", operand) | Unary("-", Unary("-", operand)):
            return operand
        case Unary("-") | Binary():
            return _simplify_arithmetic(expr, floats)
        case Compare():
            return _simplify_compare(expr, floats)
        case Logic(op, terms):
            return _simplify_logic(op, terms)
        case Conditional(then, condition, otherwise):
            if isinstance(condition, Literal):
                return then if condition.value else otherwise
            return then if then == otherwise else expr
        case Call("min" | "max" as function, arguments):
            distinct = tuple(dict.fromkeys(arguments))
            return distinct[0] if len(distinct) == 1 else Call(function, distinct)
        case Call(_, arguments) if is_integer(arguments[0], floats):
            return arguments[0]
    return expr


def _fold(expr: Expr) -> Expr | None:
    """The literal that an expression without names equals.

    None where that is longer to write: `1 / 3` and `2**64` tell more than their digits.
    """
    if names(expr):
        return None
    try:
        folded = Literal(evaluate(expr, {}))
    except ExpressionError:
        return None
    is_number = not isinstance(folded.value, bool | str)
    return None if is_number and len(unparse(folded)) > len(unparse(expr)) else folded


def _negate(operand: Expr) -> Expr:
    match operand:
        case Unary("not", inner):
            return inner
        case Compare((op,), terms):  # no NaN: every comparison has an opposite
            return Compare((_NEGATED[op],), terms)
    return Unary("not", operand)


def _simplify_compare(expr: Compare, floats: Collection[str]) -> Expr:
    if len(expr.ops) > 1:
        return expr
    (op,), (left, right) = expr.ops, expr.terms
    if op in ("==", "!="):
        for boolean, other in ((left, right), (right, left)):
            if boolean in (_TRUE, _FALSE):  # compares with a boolean, or has no value
                return other if (boolean == _TRUE) is (op == "==") else _negate(other)
    difference: Expr | None = None
    if left == right:
        difference = _ZERO
    elif is_integer(left, floats) and is_integer(right, floats):
        difference = _collect(Binary("-", left, right))
    if isinstance(difference, Literal):
        return Literal(evaluate(Compare((op,), (difference, _ZERO)), {}))
    return expr


def _simplify_logic(op: str, terms: tuple[Expr, ...]) -> Expr:
    neutral, decisive = (_TRUE, _FALSE) if op == "and" else (_FALSE, _TRUE)
    kept: dict[Expr, None] = {}
    for term in terms:
        inner = term.terms if isinstance(term, Logic) and term.op == op else (term,)
        kept.update(dict.fromkeys(inner))
    kept.pop(neutral, None)
    if decisive in kept:
        return decisive
    if len(kept) > 1:
        return Logic(op, tuple(kept))
    return next(iter(kept), neutral)


def _simplify_arithmetic(expr: Expr, floats: Collection[str]) -> Expr:
    if not is_integer(expr, floats):
        return _drop_neutral(expr)
    match expr:
        case Binary("//", left, Literal(int(divisor))) if divisor > 0:
            return _divide(left, divisor)
        case Binary("%", left, Literal(int(divisor))) if divisor > 0:
            terms = _terms(left, 1)
            whole = all(term.coefficient % divisor == 0 for term in terms)
            return _ZERO if whole else expr
        case Binary("//" | "%" | "**"):
            return _drop_neutral(expr)
    return _collect(expr)


def _drop_neutral(expr: Expr) -> Expr:
    """What holds for floats as well: an int 0 or 1 leaves the other's type alone."""
    match expr:
        case Binary("+" | "-", other, neutral) if neutral == _ZERO:
            return other
        case Binary("*" | "**", other, neutral) if neutral == _ONE:
            return other
        case Binary("+", neutral, other) if neutral == _ZERO:
            return other
        case Binary("*", neutral, other) if neutral == _ONE:
            return other
    return expr


def _divide(left: Expr, divisor: int) -> Expr:
    """left // divisor for an integer and a divisor > 0.

    floor(floor(x / m) / n) is floor(x / mn), and a factor that every term shares with the
    divisor cancels: floor(cx / cn) is floor(x / n). Both hold for negative x, too.
    """
    match left:
        case Binary("//", inner, Literal(int(other))) if other > 0:
            return _divide(inner, divisor * other)
    terms = _terms(left, 1)
    common = math.gcd(divisor, *[term.coefficient for term in terms])
    if common > 1:
        left = _sum([t._replace(coefficient=t.coefficient // common) for t in terms])
    divisor //= common
    return left if divisor == 1 else Binary("//", left, Literal(divisor))


class _Term(NamedTuple):
    """A summand: coefficient times factors, the coefficient written first or last."""

    factors: tuple[Expr, ...]
    coefficient: int
    leads: bool


def _collect(expr: Expr) -> Expr:
    """An integer sum or product with its like terms added up, in order of appearance."""
    found: dict[tuple[Expr, ...], _Term] = {}
    for term in _terms(expr, 1):
        key = tuple(sorted(term.factors, key=repr))
        first = found.get(key)
        if first:
            term = first._replace(coefficient=first.coefficient + term.coefficient)
        found[key] = term
    return _sum(list(found.values()))


def _terms(expr: Expr, sign: int) -> list[_Term]:
    """The summands of an integer expression; sums in products are left alone."""
    match expr:
        case Binary("+", left, right):
            return _terms(left, sign) + _terms(right, sign)
        case Binary("-", left, right):
            return _terms(left, sign) + _terms(right, -sign)
    factors, coefficient, leads = _product(expr)
    coefficient *= sign
    if len(factors) == 1 and abs(coefficient) == 1 and _is_sum(factors[0]):
        return _terms(factors[0], coefficient)
    return [_Term(factors, coefficient, leads)]


def _product(expr: Expr) -> _Term:
    match expr:
        case Literal(int(value)):
            return _Term((), value, True)
        case Unary("-", operand):
            term = _product(operand)
            return term._replace(coefficient=-term.coefficient)
        case Binary("*", left, right):
            a, b = _product(left), _product(right)
            return _Term(a.factors + b.factors, a.coefficient * b.coefficient, a.leads)
    return _Term((expr,), 1, False)


def _is_sum(expr: Expr) -> bool:
    return isinstance(expr, Binary) and expr.op in ("+", "-")


def _sum(terms: list[_Term]) -> Expr:
    """The terms joined by + and -, one that is not negative first if there is any."""
    terms = [term for term in terms if term.coefficient]
    if not terms:
        return _ZERO
    first = next((term for term in terms if term.coefficient > 0), terms[0])
    total = _written(first)
    for term in terms:
        if term is not first:
            size = term._replace(coefficient=abs(term.coefficient))
            total = Binary("+" if term.coefficient > 0 else "-", total, _written(size))
    return total


def _written(term: _Term) -> Expr:
    factors, coefficient, leads = term
    if not factors:
        return Literal(coefficient)
    parts = list(factors)
    if coefficient == -1:
        parts[0] = Unary("-", parts[0])
    elif coefficient != 1:
        parts.insert(
            0 if leads or coefficient < 0 else len(parts), Literal(coefficient)
        )
    product = parts[0]
    for part in parts[1:]:
        product = Binary("*", product, part)
    return product


def _int(expr: Literal) -> int:
    assert isinstance(expr.value, int)
    return expr.value
