"""A shape enters; entries that take it, and the shape that they give, leave.

Each operation is drawn until `infer` says that it fits; containers, blocks and repeats are put
around what fits. So a spec is valid by construction, up to what only a whole spec can break.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from cnnspec.arrays import Constant
from cnnspec.fields import EDGES, NAMING, LayerName, Refused
from cnnspec.fields import Names as NamesField
from cnnspec.infer import Inference
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape
from tests.fuzz.scope import Block, Entry, Names, Scope
from tests.fuzz.values import (
    Values,
    accepted,
    draw_constant,
    draw_init,
    draw_numbers,
    draw_values,
)

MOST_ELEMENTS = 1500  # of a layer's output
MOST_PARAMS = 4000
TRIES = 12
MERGES = ("add", "average", "maximum", "multiply", "concat")
# What operations may begin a list; merges have their own way in.
PLAIN = tuple(op for op, cls in OPERATIONS.items() if "with" not in cls.fields)
# Operations that fit nearly anywhere, where nothing else does.
SURE = ("identity", "tanh", "relu", "abs")

Part = tuple[list[Entry], Shape]
Make = Callable[[Scope, Shape], "Part | None"]


class Flows:
    """Draws parts of one spec."""

    def __init__(
        self, names: Names, probe: Callable[[Entry, Shape, Names], Shape | None]
    ):
        self.names, self.source, self.probe = names, names.source, probe

    # -- one operation ---------------------------------------------------------------------

    def operation(
        self, op: str, scope: Scope, shape: Shape, wanted: str | None = None
    ) -> Part | None:
        """The operation's entry, after what it names; None where no draw fits."""
        cls = OPERATIONS[op]
        if any(isinstance(field, NamesField) for field in cls.fields.values()):
            return self.merge(op, scope, shape)
        edge = next(
            (n for n, f in cls.fields.items() if isinstance(f, LayerName)), None
        )
        if edge is not None and edge != wanted and self.source.random() > 0.25:
            edge = None
        tries = TRIES if wanted is None else 4 * TRIES
        for _ in range(tries):
            given = draw_values(cls, self.source, shape, wanted)
            before: list[Entry] = []
            sides: tuple[Shape, ...] = ()
            if edge is not None:
                beside = self.beside(op, edge, scope, shape, given)
                if beside is None:
                    continue
                before, sides = beside
            found = fits(cls, given, (shape, *sides))
            if found is None:
                continue
            layer, output = found
            if output.elements > MOST_ELEMENTS:
                continue
            if not self.complete(cls, layer, given, shape, wanted):
                continue
            fields = cls.fields
            shown = {
                n: v if isinstance(fields[n], (*NAMING, Constant)) else scope.said(v)
                for n, v in given.items()
            }
            entry: Entry = {op: shown}
            if before:
                entry["from"] = next(e["name"] for e in before)
            self.share(cls, layer, entry, (shape, *sides))
            entries = [*before, entry]
            if op == "split":
                return self.joined(scope, entries, given["into"], shape)
            if edge == "like" and before:  # its numbers must be read, too
                return [*entries, {"concat": {"with": [given["like"]]}}], merged(
                    "concat", output, sides[0]
                )
            if not before:
                self.call(scope, entry, shape, output)
            return entries, output
        return None

    def complete(
        self,
        cls: type[Layer],
        layer: Layer,
        given: Values,
        shape: Shape,
        wanted: str | None,
    ) -> bool:
        """Gives kernels their numbers where they shall have some; whether it is small enough."""
        weights = layer.weights((shape,)) if cls.arity[1] == 1 else ()
        if sum(w.count for w in weights) > MOST_PARAMS:
            return False
        name = next((n for n, f in cls.fields.items() if isinstance(f, Constant)), None)
        if name and (name == wanted or self.source.random() < 0.08):
            given[name] = draw_constant(weights[0].shape, self.source)
            return fits(cls, given, (shape,)) is not None
        return True

    def share(
        self, cls: type[Layer], layer: Layer, entry: Entry, inputs: tuple[Shape, ...]
    ) -> None:
        """Keys beside an operation."""
        source = self.source
        if source.random() < 0.04:
            entry["trainable"] = False
        if cls.takes_init and source.random() < 0.08:
            if layer.values.get("weights") is not None:
                return
            entry["init"] = draw_init(source)
            if cls.takes_values and source.random() < 0.3:
                kernel = layer.weights(inputs)[0].shape
                if layer.values.get("connections") is None and sum(kernel) < 16:
                    entry["init"] = {
                        "values": {"numbers": draw_numbers(kernel, source)}
                    }

    def call(self, scope: Scope, entry: Entry, shape: Shape, output: Shape) -> None:
        """Names the entry, now and then."""
        if self.source.random() < 0.2:
            name = entry["name"] = self.names.fresh("layer")
            scope.layers[name] = output
            scope.again[name] = (shape, output)

    def joined(
        self, scope: Scope, entries: list[Entry], parts: list[str], shape: Shape
    ) -> Part | None:
        """All parts of a split are read."""
        names = {part: self.names.fresh("layer") for part in parts}
        split = entries[-1]["split"]
        split["into"] = [names[part] for part in split["into"]]
        rest = [names[part] for part in parts[1:]]
        self.source.shuffle(rest)
        return [*entries, {"concat": {"with": rest}}], shape

    def beside(
        self, op: str, edge: str, scope: Scope, shape: Shape, given: Values
    ) -> tuple[list[Entry], tuple[Shape, ...]] | None:
        """What an operation names: made of what enters it, which it then reads itself."""
        source, before = self.source, self.names.fresh("layer")
        first: Entry = {"identity": {}, "name": before}
        name = self.names.fresh("layer")
        given[edge] = name
        if edge == "like":
            (
                given.pop("scale", None),
                given.pop("size", None),
                given.pop("cropping", None),
            )
            if shape.layout != MAPS:
                return None
            larger = op == "upsample"
            options = (
                ("pad", "upsample", "conv_transpose")
                if larger
                else ("crop", "max_pool", "conv")
            )
            other = source.choice(options)
            found = self.plain(other, scope, shape)
            if found is None:
                return None
            entry, output = found
            return [first, {**entry, "name": name}], (output,)
        if edge == "initial_state":
            if shape.layout != SEQUENCE:
                return None
            flat: list[Entry] = [{"flatten": {}}, {"dense": {"units": given["units"]}}]
            flat[-1]["name"] = name
            return [first, *flat], (Shape(VECTOR, (given["units"],)),)
        if shape.layout != SEQUENCE:
            return None
        if source.random() < 0.5:  # a memory of other features, or of another length
            units = source.choice((1, 2, 3, 5))
            made = Shape(SEQUENCE, (shape.sizes[0], units))
            return [first, {"dense": {"units": units}, "name": name}], (made,)
        made = Shape(SEQUENCE, (shape.elements, 1))
        return [first, {"reshape": {"length": -1, "features": 1}, "name": name}], (
            made,
        )

    def plain(self, op: str, scope: Scope, shape: Shape) -> tuple[Entry, Shape] | None:
        """An entry of one operation with numbers alone."""
        cls = OPERATIONS[op]
        for _ in range(TRIES):
            given = draw_values(cls, self.source, shape)
            found = fits(cls, given, (shape,))
            if found and found[1].elements <= MOST_ELEMENTS:
                return {op: given}, found[1]
        return None

    def any_operation(self, scope: Scope, shape: Shape) -> Part:
        for _ in range(6):
            part = self.operation(self.source.choice(PLAIN), scope, shape)
            if part is not None:
                return part
        return self.sure(shape)

    def sure(self, shape: Shape) -> Part:
        if shape.layout == TOKENS:
            features = self.source.choice((1, 2, 4))
            return [{"embedding": {"features": features}}], Shape(
                SEQUENCE, (shape.sizes[0], features)
            )
        return [{self.source.choice(SURE): {}}], shape

    def keeping(self, scope: Scope, shape: Shape) -> Part:
        """An operation that keeps the shape."""
        for _ in range(5):
            trial = scope.inner()
            part = self.operation(self.source.choice(PLAIN), trial, shape)
            if part is not None and part[1] == shape:
                scope.keep(trial)
                return part
        return (
            ([{"identity": {}}], shape) if shape.layout == TOKENS else self.sure(shape)
        )

    # -- merges ----------------------------------------------------------------------------

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
            way, output = self.way(op, scope, shape, shape)
            way[0] = {**way[0], "from": begin}
            name = self.names.fresh("layer")
            if "name" in way[-1]:
                name = way[-1]["name"]
            way[-1] = {**way[-1], "name": name}
            entries += way
            names.append(name)
            shapes.append(output)
        last, total = self.way(op, scope, shape, shape)
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

    def way(self, op: str, scope: Scope, shape: Shape, target: Shape) -> Part:
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
            found = self.operation_free(scope, shape)
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

    def operation_free(self, scope: Scope, shape: Shape) -> tuple[Entry, Shape] | None:
        """One entry that names nothing and is not named."""
        for _ in range(4):
            op = self.source.choice(PLAIN)
            fields = OPERATIONS[op].fields.values()
            if not any(isinstance(f, NAMING) for f in fields):
                found = self.plain(op, scope, shape)
                if found is not None:
                    return found
        return None

    # -- containers ------------------------------------------------------------------------

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
            way, made = self.branch(merge, scope, shape, output)
            if way is None:
                return [{"parallel": {"branches": [entries]}}], output
            branches.append(way)
            total = merged(merge, total, made)
        if total.elements > MOST_ELEMENTS:
            return None
        fields["branches"] = branches
        return [{"parallel": fields}], total

    def branch(
        self, merge: str, scope: Scope, shape: Shape, target: Shape
    ) -> tuple[list[Entry] | None, Shape]:
        """Another branch from the same place to a like output."""
        source = self.source
        if shape == target and source.random() < 0.3:
            return [], target
        if source.random() < 0.5 and shape.layout != TOKENS:
            found = self.operation_free(scope, shape)
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
            way, made = self.branch(merge, scope, part, output)
            if way is None:
                return None
            branches.append(way)
            total = merged(merge, total, made)
        fields: Entry = {"merge": merge, "split": True, "branches": branches}
        return [{"parallel": fields}], total

    # -- blocks ----------------------------------------------------------------------------

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


ACTIVATIONS = tuple(OPERATIONS["conv"].fields["activation"].samples())


def fits(
    cls: type[Layer], given: Values, inputs: tuple[Shape, ...]
) -> tuple[Layer, Shape] | None:
    """The layer and its first output; None where it does not take these."""
    named = {
        n: f.default if isinstance(f, LayerName) else ()
        for n, f in cls.fields.items()
        if isinstance(f, EDGES)
    }
    try:
        layer = accepted(cls, {n: v for n, v in given.items() if n not in named})
    except Refused:
        return None
    for name in named:
        if name in given:
            layer.values[name] = given[name]
    output = Inference().infer(layer, inputs).outputs[0]  # type: ignore[arg-type]
    return None if output is None else (layer, output)  # type: ignore[return-value]


def merged(op: str, first: Shape, second: Shape) -> Shape:
    """The shape of two that fit, merged."""
    if op != "concat":
        return first if first.elements >= second.elements else second
    channels = (first.channels or 0) + (second.channels or 0)
    if first.layout == MAPS:
        return Shape(MAPS, (channels, *first.spatial))
    return Shape(first.layout, (*first.sizes[:-1], channels))


def adapted(shape: Shape, target: Shape, source: random.Random) -> list[Entry] | None:
    """Entries from one shape to the other; None where they are too far apart."""
    if shape == target:
        return []
    if TOKENS in (shape.layout, target.layout):
        return None
    if target.layout == VECTOR:
        flat = [] if shape.layout == VECTOR else [{"flatten": {}}]
        return [*flat, {"dense": {"units": target.sizes[0]}}]
    if shape.layout != target.layout or shape.rank != target.rank:
        return None
    if target.layout == SEQUENCE:
        if shape.sizes[0] != target.sizes[0]:
            return None
        return [{"dense": {"units": target.sizes[1]}}]
    entries: list[Entry] = []
    if shape.spatial != target.spatial:
        pool = source.choice(("adaptive_avg_pool", "adaptive_max_pool"))
        entries.append({pool: {"size": list(target.spatial)}})
    if shape.channels != target.channels:
        entries.append({"conv": {"filters": target.channels, "kernel": 1}})
    return entries
