"""Code nodes enter; lines of Python leave, laid out as `ruff format` lays them out.

A code node is a `str` - a name, dotted name, number, string literal or another
expression too short to be split - or one of the tuples below.  The choice of groups and
breaks is that of ruff's stable style; the tests compare the two on random code.

Not covered, since generated programs don't need it: powers, subscripts longer than a
line, tuples without parentheses, lambdas, conditions in comprehensions, strings of
several lines.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from cnnspec.emit.layout import (
    Element,
    Elements,
    Kind,
    block,
    commas,
    lines,
    text,
    wrap,
)

WIDTH = 88


class Call(NamedTuple):
    """`func(args)`; func may be a call itself, as in `layers.Conv2D(64, 3)(x)`."""

    func: Code
    args: tuple[Argument, ...] = ()


class Attribute(NamedTuple):
    """`value.name`; of a name, write the dotted name as a `str`."""

    value: Code
    name: str


class Keyword(NamedTuple):
    """`name=value`, an argument."""

    name: str
    value: Code


class Star(NamedTuple):
    """`*value`, an argument or an item."""

    value: Code


class List(NamedTuple):
    """`[a, b]`."""

    items: tuple[Code | Star, ...]


class Tuple(NamedTuple):
    """`(a, b)`."""

    items: tuple[Code | Star, ...]


class Dict(NamedTuple):
    """`{key: value}`."""

    pairs: tuple[tuple[Code, Code], ...]


class For(NamedTuple):
    """`for target in values`, a clause of a comprehension."""

    target: str
    values: Code


class Comprehension(NamedTuple):
    """`[element for target in values]`."""

    element: Code
    clauses: tuple[For, ...]


class Generator(NamedTuple):
    """`element for target in values`, the only argument of a call."""

    element: Code
    clauses: tuple[For, ...]


class Conditional(NamedTuple):
    """`then if condition else otherwise`."""

    then: Code
    condition: Code
    otherwise: Code


class Binary(NamedTuple):
    """`a + b + c`; operands that would be torn apart get parentheses."""

    operator: str
    operands: tuple[Code, ...]


class Parenthesized(NamedTuple):
    """`(code)`, kept where it could do without."""

    code: Code


Code: TypeAlias = (
    str
    | Call
    | Attribute
    | List
    | Tuple
    | Dict
    | Comprehension
    | Conditional
    | Binary
    | Parenthesized
)
Argument: TypeAlias = Code | Keyword | Star | Generator

# How tightly an operator binds.  Source: the Python reference, 6.17.
COMPARISON = 2
BINDING = {"or": 0, "and": 1}
BINDING |= dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), COMPARISON)
BINDING |= dict.fromkeys(("in", "not in", "is", "is not"), COMPARISON)
BINDING |= {"|": 3, "&": 4, "+": 5, "-": 5}
BINDING |= dict.fromkeys(("*", "@", "/", "//", "%"), 6)


class _Place(NamedTuple):
    """Where code stands: how it breaks, groups and encloses what is in brackets."""

    break_: Kind
    group: Kind | None
    brackets: Kind | None


BARE = _Place(Kind.TEXT, None, None)
IN_OUTER = _Place(Kind.OUTER_LINE, Kind.GROUP_IN_OUTER, Kind.BRACKETS)
INSIDE = _Place(Kind.LINE, Kind.GROUP, None)

OPEN, CLOSE, COMMA = ([Element(Kind.BROKEN_TEXT, mark)] for mark in "(),")


def method(receiver: Code, name: str, *args: Argument) -> Call:
    """`receiver.name(args)`."""
    return Call(Attribute(receiver, name), args)


def one_line(code: Code) -> str:
    """The code on one line, however long."""
    return "".join(e.text for e in _lay(code, BARE) if e.kind is not Kind.BROKEN_TEXT)


def statement(
    prefix: str,
    code: Code,
    indent: int,
    comment: str = "",
    width: int = WIDTH,
    suffix: str = "",
) -> list[str]:
    """A statement's lines.

    Args:
        prefix: what stands before the code, as `"x = "`, `"return "` or `"if "`;
            nothing before a call.
        code: the statement's value.
        indent: in columns.
        comment: with its `# `, or empty.  It stands at the end of a statement of one
            line if the width allows, else on the line above.
        width: of a line with its indent, in columns.
        suffix: what stands after the code, as `":"`.

    Returns: lines without line ends.
    """
    value = _value(code) if prefix else _lay(code, BARE)
    result = lines([*text(prefix), *value, *text(suffix)], indent, width)
    if not comment:
        return result
    line = f"{result[0]}  {comment}"
    # How wide other letters are printed is not ours to know.
    if len(result) == 1 and len(line) <= width and line.isascii():
        return [line]
    return [" " * indent + comment, *result]


def signature(
    name: str, params: list[str], indent: int, returns: str = "", width: int = WIDTH
) -> list[str]:
    """The head of a function, `def name(params) -> returns:`.

    Args:
        name: of the function.
        params: each with its annotation and default; `*` precedes keyword-only ones.
            Without any, the head must fit on a line.
        indent: in columns.
        returns: the annotation of what it returns, a name; none if empty.
        width: of a line with its indent, in columns.
    """
    joined = commas([text(param) for param in params])
    # Several may share a line of their own; a single one there has a comma at once.
    inner = wrap(Kind.GROUP, joined) if len(params) > 1 else [*joined, *COMMA]
    end = f") -> {returns}:" if returns else "):"
    body = block(inner) if params else []
    head = wrap(Kind.GROUP, [*text(f"def {name}("), *body, *text(end)])
    return lines(head, indent, width)


def _value(code: Code) -> Elements:
    """What follows `return` or `=`, with the outer parentheses that it may get."""
    if isinstance(code, Binary) and _breaks_at_its_ends(code):
        inner = wrap(Kind.INDENT_IN_OUTER, [Element(Kind.LINE), *_lay(code, IN_OUTER)])
        return wrap(Kind.OUTER_GROUP, [*OPEN, *inner, Element(Kind.LINE), *CLOSE])
    if isinstance(code, (Binary, Conditional)) or _is_fluent(code):
        return wrap(Kind.GROUP, [*OPEN, *block(_lay(code, INSIDE)), *CLOSE])
    if isinstance(_first(code), str):
        return wrap(Kind.BEST_FIT, _lay(code, IN_OUTER))
    return _lay(code, BARE)


def _breaks_at_its_ends(code: Binary) -> bool:
    """Whether one operator may be split at, or else brackets at an outer end."""
    terms = _terms(code)
    last = terms[-1][1]
    while isinstance(last, Binary):
        last = _terms(last)[-1][1]
    return len(terms) == 2 and (_has_brackets(_first(code)) or _has_brackets(last))


def _has_brackets(code: Code) -> bool:
    """Whether brackets with something in them end the code."""
    if isinstance(code, Call):
        return bool(code.args)
    if isinstance(code, (List, Tuple)):
        return bool(code.items)
    if isinstance(code, Dict):
        return bool(code.pairs)
    return isinstance(code, (Comprehension, Parenthesized))


def _first(code: Code) -> Code:
    """The leftmost code that isn't made of others, except inside brackets."""
    while True:
        if isinstance(code, Call):
            code = code.func
        elif isinstance(code, Attribute):
            code = _operand(code.value)
        elif isinstance(code, Binary):
            code = _terms(code)[0][1]
        else:
            return code


def _is_fluent(code: Code) -> bool:
    """Whether a chain has two dots after calls, as in `f(x).g().h()`."""
    dots = 0
    while isinstance(code, (Call, Attribute)):
        if isinstance(code, Call):
            code = code.func
        else:
            code = _operand(code.value)
            dots += isinstance(code, (Call, Parenthesized))
    return dots > 1


def _operand(code: Code) -> Code:
    """A receiver, in parentheses where the dot would take only a part of it."""
    return Parenthesized(code) if isinstance(code, (Binary, Conditional)) else code


def _terms(code: Binary) -> list[tuple[str, Code]]:
    """Operators and the operands after them, as far as they are split together."""
    binding, terms = BINDING[code.operator], list[tuple[str, Code]]()
    for index, operand in enumerate(code.operands):
        operator = code.operator if index else ""
        if isinstance(operand, Binary):
            inner = BINDING[operand.operator]
            leads = inner == binding > COMPARISON and index == 0
            if inner < binding or (inner == binding and not leads):
                operand = Parenthesized(operand)
            elif leads or binding < COMPARISON > inner:
                (_, first), *rest = _terms(operand)
                terms += [(operator, first), *rest]
                continue
        elif isinstance(operand, Conditional):
            operand = Parenthesized(operand)
        terms.append((operator, operand))
    return terms


def _lay(code: Argument, place: _Place) -> Elements:
    """The code as elements."""
    if isinstance(code, str):
        return text(code)
    if isinstance(code, Keyword):
        return [*text(f"{code.name}="), *_lay(code.value, place)]
    if isinstance(code, Star):
        return [*text("*"), *_lay(code.value, place)]
    if isinstance(code, (Call, Attribute)):
        if place is not BARE and _is_fluent(code):
            return wrap(Kind.GROUP, _links(code, place, [Element(Kind.LINE)]))
        return _links(code, place, [])
    if isinstance(code, (Binary, Conditional)):
        content = _split(code, place)
        return wrap(place.group, content) if place.group else content
    if isinstance(code, Generator):
        return _clauses(code)
    return _bracketed(code, place)


def _links(code: Code, place: _Place, before_dot: Elements) -> Elements:
    """A chain of calls and attributes, with what stands before dots after calls."""
    if isinstance(code, Call):
        func = _links(code.func, place, before_dot)
        if not code.args:
            return [*func, *text("()")]
        args = commas([_lay(arg, INSIDE) for arg in code.args])
        return [*func, *_brackets("(", wrap(Kind.GROUP, args), ")", place)]
    if isinstance(code, Attribute):
        value = _operand(code.value)
        gap = before_dot if isinstance(value, (Call, Parenthesized)) else []
        return [*_links(value, place, before_dot), *gap, *text(f".{code.name}")]
    return _lay(code, place)


def _split(code: Binary | Conditional, place: _Place) -> Elements:
    """What breaks before its operators, or before `if` and `else`."""
    gap = Element(place.break_, " ")
    if isinstance(code, Binary):
        (_, first), *rest = _terms(code)
        tails = [
            [gap, *text(f"{operator} "), *_lay(operand, place)]
            for operator, operand in rest
        ]
        return [*_lay(first, place), *(e for tail in tails for e in tail)]
    then, condition = _lay(_then(code.then), place), _lay(_then(code.condition), place)
    if isinstance(code.otherwise, Conditional):
        otherwise = _split(code.otherwise, place)
    else:
        otherwise = _lay(code.otherwise, place)
        otherwise = wrap(place.group, otherwise) if place.group else otherwise
    return [*then, gap, *text("if "), *condition, gap, *text("else "), *otherwise]


def _then(code: Code) -> Code:
    return Parenthesized(code) if isinstance(code, Conditional) else code


def _bracketed(
    code: List | Tuple | Dict | Comprehension | Parenthesized, place: _Place
) -> Elements:
    """What has brackets of its own."""
    if isinstance(code, Parenthesized):
        return _brackets("(", _lay(code.code, INSIDE), ")", place)
    if isinstance(code, Comprehension):
        return _brackets("[", wrap(Kind.GROUP, _clauses(code)), "]", place)
    if isinstance(code, Dict):
        pairs = [
            wrap(Kind.GROUP, [*_lay(key, INSIDE), *text(": "), *_lay(value, INSIDE)])
            for key, value in code.pairs
        ]
        return _brackets("{", commas(pairs), "}", place)
    items = [_lay(item, INSIDE) for item in code.items]
    if isinstance(code, List):
        return _brackets("[", commas(items), "]", place)
    content = [*items[0], *text(",")] if len(items) == 1 else commas(items)
    return _brackets("(", content, ")", place)


def _brackets(left: str, content: Elements, right: str, place: _Place) -> Elements:
    """What can be put on lines of its own between brackets."""
    if not content:
        return text(left + right)
    inner = wrap(Kind.GROUP, block(content))
    if place.brackets:
        inner = wrap(place.brackets, inner)
    return [*text(left), *inner, *text(right)]


def _clauses(code: Comprehension | Generator) -> Elements:
    result = wrap(Kind.GROUP, _lay(code.element, INSIDE))
    for target, values in code.clauses:
        result += [Element(Kind.LINE, " "), *text(f"for {target} in ")]
        result += _lay(values, INSIDE)
    return result
