"""Values and words from a spec enter; Python that they can't break out of leaves."""

from __future__ import annotations

from math import isfinite
from textwrap import wrap
from typing import TypeAlias, overload

from cnnspec.emit.call import WIDTH, Code, Dict, List, Tuple, one_line

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = Scalar | list["Value"] | tuple["Value", ...] | dict[str, "Value"]

NAMED_ESCAPES = {"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


@overload
def literal(value: Scalar) -> str: ...


@overload
def literal(value: Value) -> Code: ...


def literal(value: Value) -> Code:
    """The value as code in ASCII; text of a scalar, a node of a list, tuple or dict.

    Strings get double quotes unless that costs more escapes, exponents have no padding
    (`1e-5`): what ruff leaves as it is.
    """
    if isinstance(value, list):
        return List(tuple(literal(item) for item in value))
    if isinstance(value, tuple):
        return Tuple(tuple(literal(item) for item in value))
    if isinstance(value, dict):
        return Dict(tuple((literal(key), literal(item)) for key, item in value.items()))
    if isinstance(value, str):
        quote = "'" if value.count('"') > value.count("'") else '"'
        return quote + "".join(_escape(char, quote) for char in value) + quote
    if isinstance(value, float):
        return _number(value)
    return repr(value)


def number(value: float) -> str:
    """A number as code: `1e-4` where that is shorter than `0.0001`."""
    plain = literal(float(value))
    for digits in range(17):  # the fewest that give the same number
        mantissa, _, exponent = f"{float(value):.{digits}e}".partition("e")
        if float(f"{mantissa}e{exponent}") == float(value):
            break
    short = f"{mantissa}e{int(exponent)}"
    return short if len(short) < len(plain) else plain


def factor(value: float) -> str:
    """A number as code; `1 / 9` where that is what its many digits come from."""
    text = literal(value)
    whole = round(1 / value) if value else 0
    return f"1 / {whole}" if len(text) > 8 and whole and 1 / whole == value else text


def rows(name: str, numbers: Value) -> list[str]:
    """The lines of `name = [[1, 2], [3, 4]]` with each innermost list on a line."""
    return _rows(numbers, 0, f"{name} = ", "")


def _rows(value: Value, indent: int, before: str, after: str) -> list[str]:
    margin = " " * indent
    if not isinstance(value, tuple):
        return [f"{margin}{before}{one_line(literal(value))}{after}"]
    flat = not any(isinstance(item, tuple) for item in value)
    if flat:
        line = f"{margin}{before}{one_line(literal(list(value)))}{after}"
        if len(line) <= WIDTH:
            return [line]
    inner = [line for item in value for line in _rows(item, indent + 4, "", ",")]
    return [f"{margin}{before}[", *inner, f"{margin}]{after}"]


def comment(words: str) -> str:
    """The words on one line after `# `, one space between them; empty without any."""
    line = " ".join(words.split())
    return f"# {_printable(line)}" if line else ""


def docstring(words: str, indent: int, width: int = WIDTH) -> list[str]:
    """The words as the lines of a docstring.

    Args:
        words: their lines are kept, and wrapped where they are too long; several empty
            ones in a row become one.
        indent: in columns.
        width: of a line with its indent, in columns; only a longer word exceeds it.

    Returns: lines without line ends, quotes included; none without a word.
    """
    body: list[str] = []
    for line in words.splitlines():
        safe = _printable(" ".join(line.split()).replace("\\", r"\\"))
        # The first line has quotes before it, and if it is the only one, after it.
        room = width - indent - (0 if body else 6)
        broken = wrap(safe, room, break_long_words=False, break_on_hyphens=False)
        if broken or (body and body[-1]):
            body += broken or [""]
    while body and not body[-1]:
        body.pop()
    if not body:
        return []
    text = "\n".join(body)
    if text.startswith('"') or text.endswith('"') or '"""' in text:
        text = text.replace('"', r"\"")
    if len(body) > 1:
        text += "\n"
    margin = " " * indent
    return [f"{margin}{line}".rstrip() for line in f'"""{text}"""'.split("\n")]


def _number(value: float) -> str:
    if not isfinite(value):
        return f'float("{value}")'
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _escape(char: str, quote: str) -> str:
    if char == quote:
        return f"\\{quote}"
    if char in NAMED_ESCAPES:
        return NAMED_ESCAPES[char]
    if char.isascii() and char.isprintable():
        return char
    return _code_point(char)


def _code_point(char: str) -> str:
    point = ord(char)
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _printable(words: str) -> str:
    """The words without control, bidirectional and zero-width characters."""
    return "".join(c if c.isprintable() else _code_point(c) for c in words)
