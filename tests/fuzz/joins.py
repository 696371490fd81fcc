"""A shape enters; several ways from it that are joined again leave."""

from __future__ import annotations

from cnnspec.fields import NAMING
from cnnspec.layers import OPERATIONS
from cnnspec.shapes import MAPS, TOKENS, Shape
from tests.fuzz.fitting import adapted, merged
from tests.fuzz.operations import MOST_ELEMENTS, PLAIN, SURE, Operations, Part
from tests.fuzz.scope import Entry, Scope

MERGES = ("add", "average", "maximum", "multiply", "concat")


class Joins(Operations):
    """Draws merges of one spec."""

    def merge(self, op: str, scope: Scope, shape: Shape) -> Part | None:
        """Two ways or more from one place, and the operation that joins them."""
        if shape.layout == TOKENS:
            return None
        source, begin = self.source, self.names.fresh("layer")
        seen = [n for n, s in scope.layers.items() if s == shape]
        count = 1 if op == "subtract" else source.choice((1, 1, 1, 2, 0))
        if seen and source.random() < 0.3:  # what stands there already
            names = source.sample(seen, min(len(seen), max(count, 1)))
            total = shape
            for name in names:
                total = merged(op, total, scope.layers[name])
            entries: list[Entry] = [{"tanh": {}}] if source.random() < 0.5 else []
            return [*entries, {op: {"with": names}}], total
        if source.random() < 0.25 and (skipped := self.skipping(op, scope, shape)):
            return skipped
        entries = [{source.choice(SURE): {}, "name": begin}]
        names, shapes = [], []
        for _ in range(count):
            way, output = self.way(op, shape, shape)
            way[0] = {**way[0], "from": begin}
            name = self.names.fresh("layer")
            if "name" in way[-1]:
                name = way[-1]["name"]
            way[-1] = {**way[-1], "name": name}
            entries += way
            names.append(name)
            shapes.append(output)
        last, total = self.way(op, shape, shape)
        last[0] = {**last[0], "from": begin}
        if not count:
            last[0].pop("from")
        for output in shapes:
            total = merged(op, total, output)
        if total.elements > MOST_ELEMENTS:
            return None
        return [*entries, *last, {op: {"with": names}}], total

    def skipping(self, op: str, scope: Scope, shape: Shape) -> Part | None:
        """The flow and what is made of an earlier layer, joined."""
        source, flow = self.source, self.names.fresh("layer")
        fitting = [n for n, s in scope.layers.items() if s.layout != TOKENS]
        if not fitting:
            return None
        name = source.choice(fitting)
        rest = adapted(scope.layers[name], shape, source)
        if rest is None:
            return None
        entries: list[Entry] = [{source.choice(SURE): {}, "name": flow}]
        again: Entry = {source.choice(SURE): {}, "from": name}
        joined: Entry = {op: {"with": [flow]}}
        return [*entries, again, *rest, joined], merged(op, shape, shape)

    def way(self, op: str, shape: Shape, target: Shape) -> Part:
        """Entries whose output may be merged with the target, the first without `from`."""
        source = self.source
        spreads = op in ("add", "multiply", "average", "maximum", "subtract")
        if (
            shape.layout == MAPS
            and op in ("add", "multiply")
            and source.random() < 0.15
        ):
            return [{"global_avg_pool": {"keep": True}}], target
        if source.random() < 0.4:
            found = self.operation_free(shape)
            if found is not None:
                entry, output = found
                rest = adapted(output, target, self.source)
                if rest is not None:
                    return [entry, *rest], target
        if not spreads and shape.channels and source.random() < 0.5:
            kind = "conv" if shape.layout == MAPS else "dense"
            size = source.choice((1, 2, 3, 5))
            if shape.layout == MAPS:
                return [{kind: {"filters": size, "kernel": 1}}], Shape(
                    MAPS, (size, *shape.spatial)
                )
            return [{kind: {"units": size}}], Shape(
                shape.layout, (*shape.sizes[:-1], size)
            )
        return [{source.choice(SURE): {}}], target

    def operation_free(self, shape: Shape) -> tuple[Entry, Shape] | None:
        """One entry that names nothing and is not named."""
        for _ in range(4):
            op = self.source.choice(PLAIN)
            fields = OPERATIONS[op].fields.values()
            if not any(isinstance(f, NAMING) for f in fields):
                found = self.plain(op, shape)
                if found is not None:
                    return found
        return None
