"""An expression or a value enters; its Python source leaves, laid out as ruff does."""

from __future__ import annotations

from cnnspec.expressions import (
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    Literal,
    Logic,
    Name,
    Unary,
    Value,
    walk,
)

# How tightly an expression binds, as in Python's grammar.
_CONDITIONAL, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(
    10
)
_BINDS = {
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "//": _PRODUCT,
    "%": _PRODUCT,
}


def unparse(expr: Expr) -> str:
    """One line of Python source, with as few parentheses as are needed, as ruff lays it out.

    `ceil` and `floor` are written `math.ceil` and `math.floor` (see needs_math).
    """
    return _source(expr)[0]


def needs_math(expr: Expr) -> bool:
    """Whether the expression's Python source uses the `math` module."""
    return any(
        isinstance(e, Call) and e.function in ("ceil", "floor") for e in walk(expr)
    )


def _source(expr: Expr) -> tuple[str, int]:
    """The source, and how tightly it binds."""
    match expr:
        case Literal(value):
            signed = isinstance(value, int | float) and str(value).startswith("-")
            return literal_source(value), _SIGN if signed else _ATOM
        case Name(name):
            return name, _ATOM
        case Unary("not", operand):
            return f"not {_wrapped(operand, _COMPARE)}", _NOT
        case Unary(op, operand):
            return f"{op}{_wrapped(operand, _ATOM)}", _SIGN
        case Binary("**", left, right):
            # Ruff closes the gap between simple operands; a power of a power is wrapped.
            signed = isinstance(right, Unary | Literal)
            base, power = (
                _wrapped(left, _ATOM),
                _wrapped(right, _SIGN if signed else _ATOM),
            )
            gap = (
                "" if _is_simple(left) and _is_simple(right) and base[0] != "(" else " "
            )
            return f"{base}{gap}**{gap}{power}", _POWER
        case Binary(op, left, right):
            binds = _BINDS[op]
            return f"{_wrapped(left, binds)} {op} {_wrapped(right, binds + 1)}", binds
        case Compare(ops, terms):
            text = _wrapped(terms[0], _COMPARE + 1)
            for op, term in zip(ops, terms[1:], strict=True):
                text += f" {op} {_wrapped(term, _COMPARE + 1)}"
            return text, _COMPARE
        case Logic(op, terms):
            binds = _AND if op == "and" else _OR
            return f" {op} ".join([_wrapped(term, binds + 1) for term in terms]), binds
        case Conditional(then, condition, otherwise):
            yes, test = _wrapped(then, _OR), _wrapped(condition, _OR)
            return f"{yes} if {test} else {_wrapped(otherwise, _OR)}", _CONDITIONAL
        case Call(function, arguments):
            prefix = "math." if function in ("ceil", "floor") else ""
            inner = ", ".join([_source(argument)[0] for argument in arguments])
            return f"{prefix}{function}({inner})", _ATOM
    raise AssertionError(f"no such node: {expr!r}")


def _wrapped(expr: Expr, least: int) -> str:
    text, binds = _source(expr)
    return text if binds >= least else f"({text})"


def _is_simple(expr: Expr) -> bool:
    match expr:
        case Literal(value):
            return not isinstance(value, str | tuple)
        case Unary("-" | "+", operand):
            return _is_simple(operand) and _source(operand)[1] == _ATOM
    return isinstance(expr, Name)


def literal_source(value: Value) -> str:
    """A value as Python source, as ruff writes it; no text can leave its quotes."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    if isinstance(value, tuple):
        inner = ", ".join([literal_source(item) for item in value])
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def _quoted(text: str) -> str:
    """repr in double quotes, unless single quotes need fewer escapes."""
    # The added `"` makes repr take single quotes and escape those within.
    body = repr('"' + text)[2:-1]
    if text.count('"') > text.count("'"):
        return f"'{body}'"
    return '"' + body.replace("\\'", "'").replace('"', '\\"') + '"'
