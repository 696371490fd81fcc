"""Numbers that differ between instances: what is wanted enters, a value for all leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.emit.render import Value, holds, shortest, used_names
from cnnspec.emit.site import Inexpressible
from cnnspec.expressions import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cnnspec.emit.walk import Walk
    from cnnspec.graph import Occurrence
    from cnnspec.spec import Entry, Use


class NoValue(Exception):
    """A number differs between instances, and no expression gives it."""


def pick(
    walk: Walk,
    entry: Entry,
    occurrences: list[Occurrence],
    wanted: list[Any],
    found: list[Any],
) -> Value:
    """A value that is what is wanted in each occurrence (see Site.number)."""
    if walk.rehearsing:
        return wanted[0]
    scopes = [occurrence.values for occurrence in occurrences]
    fitting = [value for value in found if holds(value, wanted, scopes)]
    symbolic = [value for value in fitting if used_names(value)]
    if symbolic:
        return shortest(symbolic)
    if all(want == wanted[0] for want in wanted):
        return wanted[0]
    return carry(walk, entry, occurrences, wanted)


def carry(
    walk: Walk, entry: Entry, occurrences: list[Occurrence], wanted: list[Any]
) -> Value:
    """A number that no expression gives, as an argument of the definition."""
    if walk.probing:
        raise NoValue
    by_scope: dict[Any, Any] = {}
    for occurrence, want in zip(occurrences, wanted, strict=True):
        if by_scope.setdefault(occurrence.scope, want) != want:
            raise Inexpressible(
                "CS501",
                f"a size of `{entry.key}` differs between the rounds of its repeat, and "
                f"{walk.target} source has no expression for that",
                "write the rounds as layers of their own",
            )
    extras = walk.definition.extras
    for name, known in extras.items():
        alike = all(type(by_scope.get(s)) is type(v) for s, v in known.items())
        if known == by_scope and alike:  # True == 1
            return Name(name)
    name = walk.allocate(f"{entry.name}_size")
    extras[name] = by_scope
    return Name(name)


def check_sizes(walk: Walk, target: Use) -> None:
    """A reused block is made once, so the numbers it is handed must be the same each time."""
    again = [o for reuse in target.reuses for o in walk.occurrences(reuse)]
    for by_scope in walk.known[target.block].extras.values():
        for first in walk.occurrences(target):
            calls = [first, *(o for o in again if o.scope is first.scope)]
            sizes = [by_scope.get(o.child) for o in calls if o.child is not None]
            if any(size != sizes[0] for size in sizes):
                raise Inexpressible(
                    "CS501",
                    f"a size in `{target.name}` differs where it is reused, and "
                    f"{walk.target} source has no expression for that",
                    "let inputs of the same extent enter",
                )


def carried(
    walk: Walk, entry: Use, occurrences: list[Occurrence]
) -> Iterator[tuple[str, Value]]:
    """The numbers that a use hands to its block, by the names of their arguments."""
    for name, by_scope in walk.known[entry.block].extras.items():
        found = [(o, by_scope[o.child]) for o in occurrences if o.child in by_scope]
        if found:  # else none of these instances has the layer
            users, wanted = zip(*found, strict=True)
            yield name, pick(walk, entry, list(users), list(wanted), [])
