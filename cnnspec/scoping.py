"""Static checks over definitions: names in expressions are known, blocks don't use themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnspec.expressions import names, unknown_name
from cnnspec.spec import (
    Block,
    Body,
    Broken,
    Entry,
    Operation,
    Residual,
    Use,
    entries_of,
)
from cnnspec.values import place_of

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span
    from cnnspec.values import Value


def check_names(body: Body, known: frozenset[str], bag: Bag) -> None:
    """Every name in an expression of these entries is known, used or not (CS203).

    Args:
        known: names seen everywhere in the definition; `index` joins under a `repeat`.
    """
    for entry in body:
        inner = known | {"index"} if entry.repeat is not None else known
        _check_values([v for v in (entry.when, entry.repeat) if v], known, bag)
        _check_values(_values(entry), inner, bag)
        for nested in entry.lists():
            check_names(nested, inner, bag)


def _values(entry: Entry) -> Iterable[Value]:
    if isinstance(entry, Operation | Use):
        yield from entry.given.values()
    if isinstance(entry, Residual) and entry.connect is not None:
        yield entry.connect
    if entry.trainable is not None:
        yield entry.trainable


def check_let(block: Block, known: frozenset[str], bag: Bag) -> None:
    """A local value may use the arguments and the local values before it."""
    for name, value in block.let.items():
        _check_values([value], known, bag)
        known = known | {name}


def _check_values(values: Iterable[Value], known: frozenset[str], bag: Bag) -> None:
    for value in values:
        if not value.dynamic:
            continue
        for expr, node in value.expressions():
            for name in sorted(names(expr) - known):
                error = unknown_name(name, known)
                place = place_of(error, node)
                bag.add(error.code, error.message, place, help=error.help)


def refuse_recursion(blocks: dict[str, Block], bag: Bag) -> None:
    """Reports a block that uses itself, by whatever way (CS219), and cuts it there."""
    around: dict[str, int] = {}  # the blocks in each other on the way, with their depth
    done: set[str] = set()
    closing: set[Span] = set()
    # A stack of iterators instead of recursion: a chain of a thousand blocks is no error yet.
    for first, block in blocks.items():
        if first in done:
            continue
        around[first] = 0
        pending = [iter(_uses(block.layers))]
        while pending:
            use = next(pending[-1], None)
            if use is None:
                pending.pop()
                done.add(around.popitem()[0])
            elif use.block.name in around:
                way = list(around)[around[use.block.name] :]
                _report(use, [*way, use.block.name], bag)
                closing.add(use.key_span)
            elif use.block.name not in done:
                around[use.block.name] = len(around)
                pending.append(iter(_uses(use.block.layers)))
    if closing:
        _cut(blocks, closing)


def _report(use: Use, way: list[str], bag: Bag) -> None:
    shown = " -> ".join(way)
    bag.add(
        "CS219",
        f"block `{use.block.name}` uses itself",
        use.key_span,
        shown if len(shown) < 80 else f"through {len(way) - 2} other blocks",
        help="for a number of equal layers use `repeat`",
    )


def _uses(body: Body) -> list[Use]:
    return [entry for entry in entries_of(body) if isinstance(entry, Use)]


def _cut(blocks: dict[str, Block], spans: set[Span]) -> None:
    """Puts a broken entry where a block uses itself, so that expansion ends."""

    def cut(body: Body) -> Body:
        return tuple(
            Broken(e.key, e.key_span, e.node)
            if isinstance(e, Use) and e.key_span in spans
            else e
            for e in body
        )

    for block in blocks.values():
        block.layers = cut(block.layers)
        for entry in entries_of(block.layers):
            entry.replace_lists(cut)
