"""A shape enters; entries that take it, and the shape that they give, leave.

Containers, blocks and repeats are put around operations that fit. So a spec is valid by
construction, up to what only a whole spec can break.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cnnspec.layers import OPERATIONS
from cnnspec.shapes import MAPS, TOKENS, Shape
from tests.fuzz.fitting import adapted, merged
from tests.fuzz.joins import MERGES, Joins
from tests.fuzz.operations import MOST_ELEMENTS, SURE, Part
from tests.fuzz.scope import Block, Entry, Names, Scope

ACTIVATIONS = tuple(OPERATIONS["conv"].fields["activation"].samples())

Make = Callable[[Scope, Shape], Part | None]


class Flows(Joins):
    """Draws lists of one spec.

    Args:
        probe: what an entry that stands alone gives.
    """

    def __init__(
        self, names: Names, probe: Callable[[Entry, Shape, Names], Shape | None]
    ) -> None:
        super().__init__(names)
        self.probe = probe

    def flow(
        self, scope: Scope, shape: Shape, depth: int, make: Make | None = None
    ) -> Part | None:
        """A list of entries; `make` stands in it, before it what keeps the shape."""
        source, entries = self.source, list[Entry]()
        if make is not None:
            if source.random() < 0.3:
                entries, _ = self.keeping(scope, shape)
            part = self.part(scope, shape, depth, make)
            if part is None:
                return None
            entries, shape = [*entries, *part[0]], part[1]
        for _ in range(
            source.choice((0, 1, 1, 2)) if make else source.choice((1, 1, 2, 3))
        ):
            part = self.part(scope, shape, depth, None)
            if part is not None:
                entries, shape = [*entries, *part[0]], part[1]
        if not entries:
            return self.sure(shape)
        return entries, shape

    def part(
        self, scope: Scope, shape: Shape, depth: int, make: Make | None
    ) -> Part | None:
        """An operation, or a container around a flow."""
        source = self.source
        if make is None:
            if source.random() < 0.15 and (again := self.again(scope, shape)):
                return again
            if source.random() < 0.25 and (called := self.block_again(scope, shape)):
                return called
            if source.random() < 0.1 and (grown := self.growing(scope, shape)):
                return grown
            if depth and source.random() < 0.06:
                found = self.split_parallel(scope, shape)
                if found is not None:
                    return found
            if source.random() < 0.12:
                found = self.merge(source.choice(MERGES), scope, shape)
                if found is not None:
                    return found
        kinds = ("plain",) * 4 + (
            ("block",) * 2 + ("residual", "parallel", "repeat", "when") if depth else ()
        )
        kind = source.choice(kinds)
        inner = make or self.any_operation
        if kind == "plain":
            return inner(scope, shape)
        return getattr(self, f"in_{kind}")(scope, shape, depth - 1, inner)  # type: ignore[no-any-return]

    def again(self, scope: Scope, shape: Shape) -> Part | None:
        names = [n for n, (entered, _) in scope.again.items() if entered == shape]
        if not names:
            return None
        name = self.source.choice(names)
        return [{"reuse": name}], scope.again[name][1]

    def growing(self, scope: Scope, shape: Shape) -> Part | None:
        """A repeat whose layers grow with its index."""
        if shape.layout == TOKENS or not shape.channels:
            return None
        source = self.source
        times, base = source.choice((2, 2, 3)), source.choice((1, 2, 3, 4))
        step = source.choice((1, 2))
        said = f"$({scope.said(base, 0)} + index * {step})"
        if step == 1 and base == 1 and source.random() < 0.5:
            said = "$(index + 1)"
        last = base + (times - 1) * step
        if shape.layout == MAPS:
            conv = {"filters": said, "kernel": 1}
            if source.random() < 0.6:
                conv = {"filters": said, "kernel": 3, "padding": 1}
            grown: Entry = {"conv": conv}
            output = Shape(MAPS, (last, *shape.spatial))
        else:
            grown = {"dense": {"units": said}}
            output = Shape(shape.layout, (*shape.sizes[:-1], last))
        if source.random() < 0.3:
            grown = {"residual": {"connect": False, "body": [grown, {"relu": {}}]}}
        if output.elements > MOST_ELEMENTS:
            return None
        return [{**grown, "repeat": scope.said(times)}], output

    def in_repeat(
        self, scope: Scope, shape: Shape, depth: int, make: Make
    ) -> Part | None:
        """What keeps the shape may stand there several times."""
        part = self.part(scope.inner(), shape, depth, make)
        if part is None or part[1] != shape:
            return part
        times = self.source.choice((1, 2, 2, 3, 0))
        if len(part[0]) == 1 and not {"from", "reuse", "repeat"} & part[0][0].keys():
            (entry,) = part[0]
            return [{**entry, "repeat": scope.said(times, 2)}], shape
        body: Entry = {"residual": {"body": part[0], "connect": False}}
        return [{**body, "repeat": scope.said(times, 2)}], shape

    def in_when(
        self, scope: Scope, shape: Shape, depth: int, make: Make
    ) -> Part | None:
        """What may be left out; where it changes the shape it stands there."""
        part = self.part(scope.inner(), shape, depth, make)
        if part is None:
            return None
        there = part[1] != shape or self.source.random() < 0.8
        if len(part[0]) == 1 and not {"when", "from"} & part[0][0].keys():
            (entry,) = part[0]
            return [{**entry, "when": scope.condition(there)}], part[1]
        body: Entry = {"residual": {"body": part[0], "connect": False}}
        return [{**body, "when": scope.condition(there)}], part[1]

    def in_residual(
        self, scope: Scope, shape: Shape, depth: int, make: Make
    ) -> Part | None:
        source = self.source
        body = self.flow(scope.inner(), shape, depth, make)
        if body is None:
            return None
        entries, output = body
        fields: Entry = {"body": entries}
        if output.layout == TOKENS:
            return body
        if output == shape and source.random() < 0.6:
            if source.random() < 0.2:
                fields["connect"] = scope.condition(source.random() < 0.5)
            return [{"residual": fields}], output
        shortcut = adapted(shape, output, source)
        if shortcut is None:
            return [{"residual": {**fields, "connect": False}}], output
        fields["shortcut"] = shortcut or [{source.choice(SURE): {}}]
        if source.random() < 0.15:
            fields["connect"] = scope.condition(True)
        return [{"residual": fields}], output

    def in_parallel(
        self, scope: Scope, shape: Shape, depth: int, make: Make
    ) -> Part | None:
        source = self.source
        merge = source.choice(("concat", *MERGES))
        fields: Entry = {"merge": merge} if source.random() < 0.9 else {}
        merge = fields.get("merge", "concat")
        first = self.flow(scope.inner(), shape, depth, make)
        if first is None or first[1].layout == TOKENS:
            return first
        entries, output = first
        branches = [entries]
        total = output
        for _ in range(source.choice((1, 1, 2))):
            way, made = self.branch(merge, shape, output)
            if way is None:
                return [{"parallel": {"branches": [entries]}}], output
            branches.append(way)
            total = merged(merge, total, made)
        if total.elements > MOST_ELEMENTS:
            return None
        fields["branches"] = branches
        return [{"parallel": fields}], total

    def branch(
        self, merge: str, shape: Shape, target: Shape
    ) -> tuple[list[Entry] | None, Shape]:
        """Another branch from the same place to a like output."""
        source = self.source
        if shape == target and source.random() < 0.3:
            return [], target
        if source.random() < 0.5 and shape.layout != TOKENS:
            found = self.operation_free(shape)
            if found is not None:
                rest = adapted(found[1], target, source)
                if rest is not None:
                    return [found[0], *rest], target
        if merge == "concat" and target.layout == MAPS and shape.layout == MAPS:
            size = source.choice((1, 2, 3))
            other = Shape(MAPS, (size, *target.spatial))
            way = adapted(shape, other, source)
            if way is not None:
                return way, other
        return adapted(shape, target, source), target

    def split_parallel(self, scope: Scope, shape: Shape) -> Part | None:
        """Branches that get a part of the channels each."""
        channels, source = shape.channels or 1, self.source
        counts = [n for n in (2, 3, 4) if channels % n == 0]
        if shape.layout == TOKENS or not counts:
            return None
        count = source.choice(counts)
        part = (
            Shape(MAPS, (channels // count, *shape.spatial))
            if shape.layout == MAPS
            else Shape(shape.layout, (*shape.sizes[:-1], channels // count))
        )
        first, output = self.any_operation(scope.inner(), part)
        if output.layout == TOKENS:
            return None
        merge, branches, total = source.choice(MERGES), [first], output
        for _ in range(count - 1):
            way, made = self.branch(merge, part, output)
            if way is None:
                return None
            branches.append(way)
            total = merged(merge, total, made)
        fields: Entry = {"merge": merge, "split": True, "branches": branches}
        return [{"parallel": fields}], total

    def in_block(
        self, scope: Scope, shape: Shape, depth: int, make: Make
    ) -> Part | None:
        """A new block around the flow, called here."""
        source, arguments = self.source, dict[str, Any]()
        inside = Scope(self.names, arguments, shape.channels)
        inside.layers["input"] = shape
        body = self.flow(inside, shape, depth, make)
        if body is None:
            return None
        entries, output = body
        defaults: dict[str, Any] = dict.fromkeys(arguments)
        given = dict(arguments)
        for name, value in arguments.items():
            if source.random() < 0.3:
                defaults[name] = value
        spec: dict[str, Any] = {"args": defaults} if defaults else {}
        if inside.local:
            spec["let"] = {name: said for name, (said, _) in inside.local.items()}
        spec["layers"] = entries
        name = self.names.fresh("unit")
        self.names.blocks[name] = Block(spec, given, shape, output)
        shown = {
            n: scope.said(v, 0.7)
            for n, v in given.items()
            if defaults[n] is None or source.random() < 0.5
        }
        entry: Entry = {name: shown}
        if source.random() < 0.03:
            entry["trainable"] = False
        self.call(scope, entry, shape, output)
        if source.random() < 0.35 and (called := self.block_again(scope, output)):
            return [entry, *called[0]], called[1]
        return [entry], output

    def block_again(self, scope: Scope, shape: Shape) -> Part | None:
        """A block that is there, with other arguments if it takes them."""
        names, source = self.names, self.source
        if not names.blocks or scope.arguments is not None:
            return None
        name = source.choice(list(names.blocks))
        block = names.blocks[name]
        for attempt in range(3):
            given = dict(block.given)
            for arg in source.sample(
                sorted(given), min(len(given), source.choice((1, 2, 3)) - attempt // 2)
            ):
                given[arg] = other(given[arg], source)
            output = self.probe({name: given}, shape, names)
            if output is not None and output.elements <= MOST_ELEMENTS:
                shown = {n: scope.said(v) for n, v in given.items()}
                entry: Entry = {name: shown}
                self.call(scope, entry, shape, output)
                if output == shape and source.random() < 0.15:
                    entry["repeat"] = 2
                    if "name" in entry:
                        scope.again.pop(entry["name"], None)
                return [entry], output
        return None


def other(value: Any, source: random.Random) -> Any:
    """A value of the same type, near."""
    if type(value) is bool:
        return not value
    if type(value) is int:
        return max(0, value + source.choice((-1, 1, 1, 2)))
    if type(value) is float:
        return round(value * source.choice((0.5, 0.9)), 4)
    if value in ACTIVATIONS:
        return source.choice(ACTIVATIONS)
    return value
