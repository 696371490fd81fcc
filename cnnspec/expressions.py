"""An expression and the values of its names enter; its value leaves.

Expressions are a closed set of immutable nodes: scalars.py makes them from text,
algebra.py rewrites them, and nothing is ever evaluated as Python.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Final, TypeAlias

MAX_NODES = 200  # nodes of an expression; bounds the depth of every recursion, too
MAX_BITS = 256  # of an integer: exact for every size, yet 9**9**9 is refused

Number: TypeAlias = int | float
# A tuple is a list of the spec, such as a kernel of [1, 7]: handed on whole.
Value: TypeAlias = "bool | int | float | str | tuple[Value, ...]"

# Each with the fewest and the most values it takes.
FUNCTIONS = {
    "min": (2, MAX_NODES),
    "max": (2, MAX_NODES),
    "ceil": (1, 1),
    "floor": (1, 1),
    "round": (1, 1),
}
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
RESERVED_NAMES = frozenset(FUNCTIONS) | frozenset(BOOLEANS)  # no variable's name


class ExpressionError(Exception):
    """What is wrong with an expression, ready to become a diagnostic.

    Attributes:
        code, message, help: as in Diagnostic.
        at: start and end (exclusive) in the scalar's text, None where unknown.
        name: the unknown name (CS203), else empty.
    """

    def __init__(
        self,
        code: str,
        message: str,
        help: str | None = None,
        at: tuple[int, int] | None = None,
        name: str = "",
    ) -> None:
        super().__init__(message)
        self.name = name
        self.code = code
        self.message = message
        self.help = help
        self.at = at


class Expr:
    """An expression: immutable, equal to one of the same structure and types.

    A tuple would not do: `Literal(1)`, `Literal(True)` and `Literal(1.0)` differ.
    """

    __slots__ = ("_hash",)
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def children(self) -> tuple[Expr, ...]:
        return ()

    def with_children(self, children: Sequence[Expr]) -> Expr:
        """The same node over other operands, as many as `children()` gives."""
        return self

    def _key(self) -> tuple[object, ...]:
        return tuple(getattr(self, field) for field in self.__match_args__)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash: int = hash((type(self), self._key()))
            return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Expr)
            and type(self) is type(other)
            and hash(self) == hash(other)
            and self._key() == other._key()
        )

    def __repr__(self) -> str:
        fields = ", ".join(repr(getattr(self, field)) for field in self.__match_args__)
        return f"{type(self).__name__}({fields})"


class Literal(Expr):
    __slots__ = __match_args__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value: Final = value

    def _key(self) -> tuple[object, ...]:
        return (type(self.value), self.value)


class Name(Expr):
    __slots__ = __match_args__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name


class Unary(Expr):
    """`-`, `+` or `not` before its operand."""

    __slots__ = __match_args__ = ("op", "operand")

    def __init__(self, op: str, operand: Expr) -> None:
        self.op: Final = op
        self.operand: Final = operand

    def children(self) -> tuple[Expr, ...]:
        return (self.operand,)

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Unary(self.op, *children)


class Binary(Expr):
    """Arithmetic: `+`, `-`, `*`, `/`, `//`, `%` or `**`."""

    __slots__ = __match_args__ = ("op", "left", "right")

    def __init__(self, op: str, left: Expr, right: Expr) -> None:
        self.op: Final = op
        self.left: Final = left
        self.right: Final = right

    def children(self) -> tuple[Expr, ...]:
        return (self.left, self.right)

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Binary(self.op, *children)


class Compare(Expr):
    """`a < b`, or a chain `a < b <= c`: one operator fewer than terms."""

    __slots__ = __match_args__ = ("ops", "terms")

    def __init__(self, ops: tuple[str, ...], terms: tuple[Expr, ...]) -> None:
        self.ops: Final = ops
        self.terms: Final = terms

    def children(self) -> tuple[Expr, ...]:
        return self.terms

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Compare(self.ops, tuple(children))


class Logic(Expr):
    """Two or more terms joined by `and` or `or`."""

    __slots__ = __match_args__ = ("op", "terms")

    def __init__(self, op: str, terms: tuple[Expr, ...]) -> None:
        self.op: Final = op
        self.terms: Final = terms

    def children(self) -> tuple[Expr, ...]:
        return self.terms

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Logic(self.op, tuple(children))


class Conditional(Expr):
    """`then if condition else otherwise`, operands in the order they are written."""

    __slots__ = __match_args__ = ("then", "condition", "otherwise")

    def __init__(self, then: Expr, condition: Expr, otherwise: Expr) -> None:
        self.then: Final = then
        self.condition: Final = condition
        self.otherwise: Final = otherwise

    def children(self) -> tuple[Expr, ...]:
        return (self.then, self.condition, self.otherwise)

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Conditional(*children)


class Call(Expr):
    """One of FUNCTIONS, applied to as many values as it takes."""

    __slots__ = __match_args__ = ("function", "arguments")

    def __init__(self, function: str, arguments: tuple[Expr, ...]) -> None:
        self.function: Final = function
        self.arguments: Final = arguments

    def children(self) -> tuple[Expr, ...]:
        return self.arguments

    def with_children(self, children: Sequence[Expr]) -> Expr:
        return Call(self.function, tuple(children))


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all below it, each before its operands."""
    pending = [expr]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children()))


def names(expr: Expr) -> frozenset[str]:
    """The names an expression uses, in every branch of it."""
    return frozenset(node.name for node in walk(expr) if isinstance(node, Name))


def evaluate(expr: Expr, scope: Mapping[str, Value]) -> Value:
    """The value of an expression.

    Numbers follow Python: `/` gives a float, `//` and `%` floor, `round` goes to the even
    neighbour at .5, ints are exact. Booleans are no numbers, texts compare with `==` and
    `!=` only, and `and`, `or`, `if` leave alone what they need not look at.

    Raises: ExpressionError (CS203 for a name out of scope, CS204 for all else).
    """
    match expr:
        case Literal(value):
            return value
        case Name(name):
            if name not in scope:
                raise unknown_name(name, scope)
            return scope[name]
        case Binary(op, left, right):
            return _arithmetic(op, evaluate(left, scope), evaluate(right, scope))
        case Compare(ops, terms):
            value = evaluate(terms[0], scope)
            for op, term in zip(ops, terms[1:], strict=True):
                last, value = value, evaluate(term, scope)
                if not _holds(op, last, value):
                    return False
            return True
        case Logic(op, terms):
            for term in terms:
                if _boolean(op, evaluate(term, scope)) is (op == "or"):
                    return op == "or"
            return op == "and"
        case Unary("not", operand):
            return not _boolean("not", evaluate(operand, scope))
        case Unary(op, operand):
            number = _number(op, evaluate(operand, scope))
            return -number if op == "-" else number
        case Conditional(then, condition, otherwise):
            holds = _boolean("if", evaluate(condition, scope))
            return evaluate(then if holds else otherwise, scope)
        case Call(function, arguments):
            values = [_number(function, evaluate(a, scope)) for a in arguments]
            return _call(function, values)
    raise AssertionError(f"no such node: {expr!r}")


def unknown_name(name: str, known: Iterable[str]) -> ExpressionError:
    """The error of a name that is not among the known ones, with its remedy (CS203)."""
    from cnnspec.suggest import did_you_mean

    known = sorted(known)
    help = "declare it under `vars`, or as an argument of the block"
    meant = did_you_mean(name, known)
    if meant:
        help = f"did you mean `{meant}`?"
    elif known:
        shown = known if len(known) <= 12 else [*known[:12], "…"]
        help = f"known here: {', '.join(shown)}"
    return ExpressionError("CS203", f"unknown name `{name}`", help, name=name)


def describe(value: Value) -> str:
    """A value for a message: `true`, `4`, `the text "same"`, `a list`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        shown = " ".join(value[:40].split())
        return f'the text "{shown}{"…" if len(value) > 40 else ""}"'
    return "a list"


def _number(op: str, value: Value) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ExpressionError("CS204", f"`{op}` takes numbers, gets {describe(value)}")
    return value


def _boolean(op: str, value: Value) -> bool:
    if not isinstance(value, bool):
        help = (
            "compare it, such as `width != 0`"
            if isinstance(value, int | float)
            else None
        )
        message = f"`{op}` takes true or false, gets {describe(value)}"
        raise ExpressionError("CS204", message, help)
    return value


def _arithmetic(op: str, left: Value, right: Value) -> Number:
    a, b = _number(op, left), _number(op, right)
    result: Number | complex
    try:
        match op:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/":
                result = a / b
            case "//":
                result = a // b
            case "%":
                result = a % b
            case _:
                result = _power(a, b)
    except ZeroDivisionError:
        raise ExpressionError("CS204", f"division by zero: {a} {op} {b}") from None
    except OverflowError:
        raise _too_large(op) from None
    if isinstance(result, complex):
        raise ExpressionError("CS204", f"{a} ** {b} is no real number")
    return _bounded(op, result)


def _power(a: Number, b: Number) -> Number | complex:
    """a ** b, without computing what is certain to be refused."""
    if (
        isinstance(a, int)
        and isinstance(b, int)
        and (a.bit_length() - 1) * b > MAX_BITS
    ):
        raise OverflowError
    power: Number | complex = a**b
    return power


def _bounded(op: str, result: Number) -> Number:
    if isinstance(result, int):
        fits = result.bit_length() <= MAX_BITS
    else:
        fits = math.isfinite(result)
    if not fits:
        raise _too_large(op)
    return result


def _too_large(op: str) -> ExpressionError:
    limit = f"more than {MAX_BITS} bits, or beyond 1.8e308"
    return ExpressionError("CS204", f"the result of `{op}` is too large: {limit}")


def _holds(op: str, left: Value, right: Value) -> bool:
    if op not in ("==", "!="):
        return bool(_ORDERS[op](_number(op, left), _number(op, right)))
    if isinstance(left, bool) is not isinstance(right, bool):
        # Python holds `true == 1` for true, and `true == "true"` for false: neither is
        # what the author means.
        message = f"`{op}` compares {describe(left)} with {describe(right)}"
        raise ExpressionError(
            "CS204", message, "compare true and false with each other only"
        )
    return (left == right) is (op == "==")


def _call(function: str, values: list[Number]) -> Number:
    if function in ("min", "max"):
        return min(values) if function == "min" else max(values)
    (value,) = values
    if function == "round":
        return _bounded(function, round(value))
    return _bounded(
        function, math.ceil(value) if function == "ceil" else math.floor(value)
    )
