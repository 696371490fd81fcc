"""Channels as expressions: those of a layer's inputs enter, candidates for its output leave.

A candidate counts only where it gives the inferred number in every instance, so guessing is
safe: what is no candidate becomes a literal or an extra argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from cnnspec.algebra import substitute
from cnnspec.emit.render import holds
from cnnspec.expressions import (
    Binary,
    Compare,
    Conditional,
    Expr,
    ExpressionError,
    Literal,
    Name,
    names,
    walk,
)

if TYPE_CHECKING:
    from cnnspec.emit.definitions import Definition
    from cnnspec.graph import Graph, Occurrence
    from cnnspec.spec import Operation, Use

MOST = 4  # candidates kept at a time
LARGEST = 30  # nodes of a candidate; nobody wants to read a larger one
SIZED_BY = (
    "filters",
    "units",
    "channels",
    "features",
)  # fields that give an operation's output channels
BOTH_WAYS = "bidirectional"  # twice the units
MULTIPLIER = "multiplier"  # outputs for each input channel
FACTOR = "factor"  # of an extent that channels are traded for, on two axes
IN_CHANNELS = Name("in_channels")
INDEX = Name("index")


def of_operation(
    definition: Definition, entry: Operation, inputs: list[list[Expr]]
) -> list[Expr]:
    """Candidates for an operation's output: its own size, or an input's, or their sum."""
    for field in SIZED_BY:
        if field in entry.given:
            value = definition.bound(entry.given[field])
            size = value if isinstance(value, Expr) else Literal(value)
            if BOTH_WAYS in entry.given:
                made = _built(partial(_operated, definition, "*", size, Literal(2)))
                return [size, *made]
            return [size]
    if MULTIPLIER in entry.given:
        value = definition.bound(entry.given[MULTIPLIER])
        times = value if isinstance(value, Expr) else Literal(value)
        return [
            made
            for expr in inputs[0]
            for made in _built(partial(_operated, definition, "*", expr, times))
        ]
    if FACTOR in entry.given:
        value = definition.bound(entry.given[FACTOR])
        factor = value if isinstance(value, Expr) else Literal(value)
        square = Binary("**", factor, Literal(2))
        return [
            made
            for expr in inputs[0]
            for sign in ("//", "*")
            for made in _built(partial(_operated, definition, sign, expr, square))
        ]
    return merged(inputs)


def _operated(definition: Definition, sign: str, left: Expr, right: Expr) -> Expr:
    return definition.simplified(Binary(sign, left, right))


def merged(inputs: list[list[Expr]]) -> list[Expr]:
    """Candidates for a merge: any input's (a sum, a product), or their sum (a concatenation)."""
    found = [expr for candidates in inputs for expr in candidates]
    if 1 < len(inputs) <= LARGEST and all(inputs):
        total = inputs[0][0]
        for candidates in inputs[1:]:
            total = Binary("+", total, candidates[0])
        found.append(total)
    return found


def of_use(
    caller: Definition, callee: Definition, entry: Use, flow: list[Expr]
) -> list[Expr]:
    """A block's own candidates with the arguments of this use put in."""
    block = entry.block
    values: dict[str, Expr] = {}
    for name, argument in block.args.items():
        given = entry.given.get(name)
        tree: Any = None
        if given is not None:
            tree = caller.bound(given)
        elif argument.default is not None:
            tree = argument.default.tree
        if isinstance(tree, Expr):
            values[name] = tree
        elif isinstance(tree, int | float | str):
            values[name] = Literal(tree)
    found = []
    for candidate in callee.channels:
        for channels in flow or [IN_CHANNELS]:
            known = {**values, "in_channels": channels}
            if names(candidate) <= set(known):
                found += _built(partial(substitute, candidate, known))
    return found


def without_let(definition: Definition, candidates: list[Expr]) -> list[Expr]:
    """Candidates in terms of arguments alone, as callers need them."""
    block = definition.block
    if block is None:
        return candidates
    local: dict[str, Expr] = {}
    for name, value in block.let.items():
        tree = definition.bound(value)
        if isinstance(tree, Expr):
            local[name] = substitute(tree, local)
        elif isinstance(tree, int | float | str):
            local[name] = Literal(tree)
    return [substitute(expr, local) for expr in candidates]


def valid(
    definition: Definition,
    graph: Graph,
    candidates: list[Expr],
    occurrences: list[Occurrence],
) -> list[Expr]:
    """The candidates that hold in all these occurrences' outputs, simplified, each once."""
    wanted: list[Any] = []
    for occurrence in occurrences:
        shape = graph.shape(occurrence.output)
        wanted.append(shape.channels if shape else None)
    scopes = [occurrence.values for occurrence in occurrences]
    found: dict[Expr, None] = {}
    for candidate in candidates:
        if not _is_modest(candidate):
            continue
        simple = definition.simplified(candidate)
        if simple not in found and holds(simple, wanted, scopes):
            found[simple] = None
            if len(found) == MOST:
                break
    return list(found)


def over_rounds(
    definition: Definition, entering: list[Expr], leaving: list[Expr]
) -> list[Expr]:
    """Candidates for the input of a repeat's rounds, in terms of `index`.

    `leaving` is given in terms of `entering` where it can be: a constant growth then gives
    `entering + index * growth`; else what left the round before.
    """
    grown = _grown(definition, entering, leaving, INDEX)
    before = Binary("-", INDEX, Literal(1))
    shifted = _at_index(definition, leaving, before)
    return [*entering, *grown, *shifted]


def after_rounds(
    definition: Definition, entering: list[Expr], leaving: list[Expr], count: Expr
) -> list[Expr]:
    """Candidates for what leaves the last round."""
    grown = _grown(definition, entering, leaving, count)
    last = Binary("-", count, Literal(1))
    return grown + _at_index(definition, leaving, last)


def _grown(
    definition: Definition, entering: list[Expr], leaving: list[Expr], times: Expr
) -> list[Expr]:
    """`entering + times * growth` for each growth that is the same in all rounds."""
    found = []
    for first in entering:
        for last in leaving:
            growth = definition.simplified(Binary("-", last, first))
            if "index" not in names(growth) and growth != Literal(0):
                sum_ = Binary("+", first, Binary("*", times, growth))
                found += _built(partial(definition.simplified, sum_))
    return found


def _at_index(definition: Definition, exprs: list[Expr], index: Expr) -> list[Expr]:
    def at(expr: Expr) -> Expr:
        return definition.simplified(substitute(expr, {"index": index}))

    return [made for expr in exprs for made in _built(partial(at, expr))]


def _built(make: Callable[[], Expr]) -> list[Expr]:
    """The expression; nothing where it is too large to be of use."""
    try:
        expr = make()
    except ExpressionError:
        return []
    return [expr] if _is_modest(expr) else []


def _is_modest(expr: Expr) -> bool:
    return not any(count > LARGEST for count, _ in enumerate(walk(expr), start=1))


def first_or_rest(entering: list[Expr], found: list[Expr]) -> list[Expr]:
    """`entering if index == 0 else rest`, where nothing simpler holds in every round."""
    first = Compare(("==",), (INDEX, Literal(0)))
    return [
        Conditional(one, first, rest)
        for one in entering
        for rest in found
        if one != rest
    ]


def of_parts(
    definition: Definition, entry: Operation, entering: list[Expr]
) -> list[list[Expr]]:
    """Candidates for each part that an operation cuts its channels into."""
    given = entry.given.get("sizes")
    if given is None:
        count = len(entry.parts)
        return [parts(definition, entering, count)] * count
    sizes = definition.bound(given)
    if not isinstance(sizes, tuple):
        return [[]] * len(entry.parts)
    return [[size if isinstance(size, Expr) else Literal(size)] for size in sizes]


def parts(definition: Definition, entering: list[Expr], count: int) -> list[Expr]:
    """Candidates for equal parts of the channels."""
    found = []
    for expr in entering:
        part = Binary("//", expr, Literal(count))
        found += _built(partial(definition.simplified, part))
    return found
