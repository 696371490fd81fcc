"""A scalar's text enters; plain text, or an expression, or what is wrong with it leaves.

Python's own parser reads an expression, and a whitelist converts its tree: what is not
listed here does not exist in the language.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from cnnspec.expressions import (
    BOOLEANS,
    FUNCTIONS,
    MAX_BITS,
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
)

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span

MAX_LENGTH = 1000  # characters of an expression

TEXT, EXPRESSION, CUT, MALFORMED = "text", "expression", "cut", "malformed"

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_NEEDS_QUOTES = r"[,\[\]{}]|\s#|:\s"  # in YAML

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "-", ast.UAdd: "+", ast.Not: "not"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_REFUSED_OPERATORS: dict[type[ast.AST], str] = {
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.Invert: "~",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.MatMult: "@",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "`.`, an attribute,",
    ast.Subscript: "`[…]`, an index,",
    ast.Lambda: "`lambda`",
    ast.NamedExpr: "`:=`",
    ast.JoinedStr: "a formatted text",
    ast.List: "a list",
    ast.Tuple: "a list of values",
    ast.Dict: "a mapping",
    ast.Set: "a set",
    ast.Starred: "`*` before a value",
    ast.Await: "`await`",
    ast.Yield: "`yield`",
    ast.YieldFrom: "`yield`",
    ast.GeneratorExp: "a comprehension",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
}
ALLOWED = (
    "allowed are numbers, texts, true, false, names, + - * / // % **, == != < <= > >=, "
    f"and, or, not, `a if c else b`, {', '.join(FUNCTIONS)}"
)
# What other languages write, and `$` where it is not wanted: (pattern, here).
_FOREIGN = (
    (r"\$\((\w+)\)", r"\1"),
    (r"\$\{([^{}]*)\}", r"\1"),
    (r"\$", ""),
    (r"<>", "!="),
    (r"(?<![=!<>])=(?!=)", "=="),
    (r"\s*&&?\s*", " and "),
    (r"\s*\|\|?\s*", " or "),
    (r"!(?!=)\s*", "not "),
    (r"\^", "**"),
)


class Reading(NamedTuple):
    """What a scalar is; `text` is what a reader of plain text gets, `$$` unescaped.

    CUT is an expression whose parenthesis is never closed, usually because YAML ended
    it at a comma: what follows in the same braces is then no fault of the author's.
    """

    kind: str
    text: str


def classify(text: str) -> Reading:
    """Tells text from expressions.

    A scalar that begins with `$` is an expression, `$name` or `$(…)` to its end, and
    else an error. `$$` at the beginning stands for a `$`; later on `$` means nothing.
    """
    if not text.startswith("$"):
        return Reading(TEXT, text)
    if text.startswith("$$"):
        return Reading(TEXT, text[1:])
    body = text.rstrip()[1:]  # a block scalar ends in a line feed
    if not body.startswith("("):
        is_name = body.isascii() and body.isidentifier()
        return Reading(EXPRESSION if is_name else MALFORMED, text)
    if len(body) > MAX_LENGTH:  # refused when it is read; not worth a search
        return Reading(EXPRESSION, text)
    end = _closing(body)
    if end is None:
        return Reading(CUT, text)
    return Reading(EXPRESSION if end == len(body) - 1 else MALFORMED, text)


def _closing(body: str) -> int | None:
    """Index of the parenthesis that closes the first one; those in quotes don't count."""
    depth, quote, escaped = 0, "", False
    for index, char in enumerate(body):
        if quote:
            if escaped or char == "\\":
                escaped = not escaped
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return index
    return None


def parse(text: str, span: Span, bag: Bag) -> Expr | None:
    """The expression that a scalar beginning with one `$` holds.

    Args:
        span: where the scalar stands, quotes included.

    Returns: None where the bag got the reason (CS201: not an expression at all; CS202:
        something that expressions don't have).
    """
    try:
        return _read(text)
    except ExpressionError as error:
        place = _place(text, span, error.at)
        bag.add(error.code, error.message, place, help=error.help or _help(text))
        return None


def place_of_name(node_text: str, span: Span, name: str) -> Span:
    """Where a name first stands in the scalar of an expression."""
    found = re.search(rf"(?<![\w.\"']){re.escape(name)}(?![\w\"'])", node_text)
    return _place(node_text, span, found.span() if found else None)


def remedy(text: str) -> str | None:
    """The expression that a text with a `$` was probably meant to be, ready to paste.

    For a field that gets text where it wants a number: `4 * $width` -> `$(4 * width)`.
    """
    if "$" not in text or len(text) > MAX_LENGTH:
        return None
    body = text.strip()
    if body.startswith("$("):
        body = body[2:-1] if classify(body).kind == EXPRESSION else body
    for pattern, ours in _FOREIGN:
        body = re.sub(pattern, ours, body)
    condition, question, branches = body.partition("?")
    then, colon, otherwise = branches.partition(":")
    if question and colon:
        body = f"{then.strip()} if {condition.strip()} else {otherwise.strip()}"
    try:
        _read(f"$({body})")
    except ExpressionError:
        return None
    if body.isidentifier():
        return f"${body}"
    return f'"$({body})"' if re.search(_NEEDS_QUOTES, body) else f"$({body})"


def _read(text: str) -> Expr:
    """Reads `$name` or `$(…)`; raises ExpressionError with places in the text."""
    text = text.rstrip()
    if len(text) > MAX_LENGTH:
        message = (
            f"the expression is too long: {len(text)} characters, at most {MAX_LENGTH}"
        )
        raise ExpressionError("CS202", message, "name its parts with `let` or `vars`")
    kind = classify(text).kind
    if kind != EXPRESSION:
        raise _no_expression(text, kind)
    if text[1] != "(":
        return _name(text[1:])
    bare = text if text.isascii() else re.sub(_QUOTED, "''", text)
    if not bare.isascii():
        # Python would take look-alikes, such as the ligature fi, for plain letters.
        odd = next(char for char in bare if not char.isascii())
        at = text.index(odd)
        message = f"`{odd}` is not allowed in an expression"
        help = "outside of quotes an expression has ASCII letters and signs only"
        raise ExpressionError("CS202", message, help, (at, at + 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text[1:], mode="eval").body
        if len(text) > MAX_NODES:  # every node takes a character
            nodes = sum(isinstance(node, ast.expr) for node in ast.walk(body))
            if nodes > MAX_NODES:
                raise RecursionError
        return _convert(body, text)
    except SyntaxError as error:
        raise _unreadable(text, error) from None
    except (RecursionError, MemoryError):
        message = (
            f"the expression is too large: at most {MAX_NODES} values and operations"
        )
        help = "name its parts with `let` or `vars`"
        raise ExpressionError("CS202", message, help) from None
    except ValueError:  # NUL and surrogates
        message = "the expression holds a character that no text may hold"
        raise ExpressionError("CS202", message, "remove it") from None


def _convert(node: ast.expr, text: str) -> Expr:
    match node:
        case ast.Constant(value=value):
            return _literal(value, node, text)
        case ast.Name(id=name):
            return _name(name)
        case ast.UnaryOp(op=op, operand=operand):
            return Unary(_sign(_UNARY, op, node, text), _convert(operand, text))
        case ast.BinOp(left=left, op=op, right=right):
            sign = _sign(_BINARY, op, node, text)
            return Binary(sign, _convert(left, text), _convert(right, text))
        case ast.Compare(left=left, ops=ops, comparators=others):
            signs = tuple([_sign(_COMPARE, op, node, text) for op in ops])
            return Compare(
                signs, tuple([_convert(term, text) for term in (left, *others)])
            )
        case ast.BoolOp(op=op, values=values):
            joiner = "and" if isinstance(op, ast.And) else "or"
            return Logic(joiner, tuple([_convert(term, text) for term in values]))
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            condition = _convert(test, text)
            return Conditional(
                _convert(then, text), condition, _convert(otherwise, text)
            )
        case ast.Call():
            return _call(node, text)
        case ast.Tuple(elts=[]):
            raise ExpressionError(
                "CS201", "the expression is empty", "write `$(width * 4)`"
            )
    _refuse(_REFUSED.get(type(node), f"`{type(node).__name__}`"), node, text)


def _name(name: str) -> Expr:
    return Literal(BOOLEANS[name]) if name in BOOLEANS else Name(name)


def _literal(value: object, node: ast.expr, text: str) -> Expr:
    if isinstance(value, bool | str):
        return Literal(value)
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            _refuse(f"a number of more than {MAX_BITS} bits", node, text)
        return Literal(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            _refuse("a number beyond 1.8e308", node, text)
        return Literal(value)
    kinds = {
        complex: "a complex number",
        bytes: "a text of bytes",
        type(None): "`None`",
    }
    _refuse(kinds.get(type(value), "`...`"), node, text)


def _sign(
    signs: dict[type[ast.operator], str]
    | dict[type[ast.unaryop], str]
    | dict[type[ast.cmpop], str],
    op: ast.AST,
    node: ast.expr,
    text: str,
) -> str:
    for kind, sign in signs.items():
        if isinstance(op, kind):
            return sign
    _refuse(f"`{_REFUSED_OPERATORS[type(op)]}`", node, text)


def _call(node: ast.Call, text: str) -> Expr:
    if not isinstance(node.func, ast.Name):
        _refuse("a call of anything but a function's name", node.func, text)
    function = node.func.id
    if function not in FUNCTIONS:
        _refuse(f"the function `{function}`", node.func, text)
    if node.keywords:
        _refuse("an argument with a name", node.keywords[0].value, text)
    least, most = FUNCTIONS[function]
    given = len(node.args)
    if not least <= given <= most:
        wanted = "1 value" if most == 1 else f"{least} or more values"
        message = f"`{function}` takes {wanted}, gets {given}"
        help = "min and max take two or more values, the other functions one"
        raise ExpressionError("CS202", message, help, _at(node, text))
    return Call(function, tuple([_convert(argument, text) for argument in node.args]))


def _refuse(what: str, node: ast.expr, text: str) -> NoReturn:
    message = f"{what} is not allowed in an expression"
    raise ExpressionError("CS202", message, at=_at(node, text))


def _at(node: ast.expr, text: str) -> tuple[int, int] | None:
    """Where a node stands in the text; unknown where bytes or lines would be counted."""
    if node.end_lineno != 1 or node.end_col_offset is None or not text.isascii():
        return None
    return (
        node.col_offset + 1,
        node.end_col_offset + 1,
    )  # the parser did not see the `$`


def _unreadable(text: str, error: SyntaxError) -> ExpressionError:
    at = None
    if error.lineno == 1 and error.offset and text.isascii():
        start = min(error.offset, len(text) - 1)
        end = error.end_offset if error.end_lineno == 1 else None
        at = (start, min(max(end or 0, start + 1), len(text)))
    return ExpressionError("CS201", "the expression can't be read", at=at)


def _no_expression(text: str, kind: str) -> ExpressionError:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 40 else shown[:39] + "…"
    if kind == MALFORMED:
        return ExpressionError("CS201", f"`{shown}` is neither text nor an expression")
    return ExpressionError(
        "CS201",
        f"the parenthesis of `{shown}` is not closed",
        'close it, and quote all of it, "$(…)": YAML cuts an unquoted one at `,` and ` #`',
    )


def _help(text: str) -> str:
    mended = remedy(text)
    if mended:
        return f"write `{mended}`"
    if classify(text).kind == MALFORMED:
        return "write `$name` or `$(…)` and nothing after it; a text begins with `$$`"
    return ALLOWED


def _place(text: str, span: Span, at: tuple[int, int] | None) -> Span:
    """The part of the scalar's span that `at` means; all of it where that is uncertain."""
    width = span.end_column - span.column
    quotes = (width - len(text)) // 2
    if at is None or span.line != span.end_line or width - len(text) not in (0, 2):
        return span
    start, end = at
    column = span.column + quotes
    return span._replace(column=column + start, end_column=column + end)
