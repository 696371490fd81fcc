"""An operation and a shape enter; an entry that takes it, with what it names, leaves.

Fields are drawn until `infer` says that they fit.
"""

from __future__ import annotations

from cnnspec.arrays import Constant
from cnnspec.fields import NAMING, LayerName
from cnnspec.fields import Names as NamesField
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.shapes import MAPS, SEQUENCE, TOKENS, VECTOR, Shape
from tests.fuzz.fitting import fits, merged
from tests.fuzz.scope import Entry, Names, Scope
from tests.fuzz.values import (
    Values,
    draw_constant,
    draw_init,
    draw_numbers,
    draw_values,
)

MOST_ELEMENTS = 1500  # of a layer's output
MOST_PARAMS = 4000
TRIES = 12
# What operations may begin a list; merges have their own way in.
PLAIN = tuple(op for op, cls in OPERATIONS.items() if "with" not in cls.fields)
# Operations that fit nearly anywhere, where nothing else does.
SURE = ("identity", "tanh", "relu", "abs")

Part = tuple[list[Entry], Shape]  # entries, and what they give


class Operations:
    """Draws single operations of one spec."""

    def __init__(self, names: Names) -> None:
        self.names, self.source = names, names.source

    def merge(self, op: str, scope: Scope, shape: Shape) -> Part | None:
        """An operation that joins several layers, with these."""
        raise NotImplementedError

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
                beside = self.beside(op, edge, shape, given)
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
                return self.joined(entries, given["into"], shape)
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
        self, entries: list[Entry], parts: list[str], shape: Shape
    ) -> Part | None:
        """All parts of a split are read."""
        names = {part: self.names.fresh("layer") for part in parts}
        split = entries[-1]["split"]
        split["into"] = [names[part] for part in split["into"]]
        rest = [names[part] for part in parts[1:]]
        self.source.shuffle(rest)
        return [*entries, {"concat": {"with": rest}}], shape

    def beside(
        self, op: str, edge: str, shape: Shape, given: Values
    ) -> tuple[list[Entry], tuple[Shape, ...]] | None:
        """What an operation names: made of what enters it, which it then reads itself."""
        source, before = self.source, self.names.fresh("layer")
        first: Entry = {"identity": {}, "name": before}
        name = self.names.fresh("layer")
        given[edge] = name
        if edge == "like":
            for rival in ("scale", "size", "cropping"):
                given.pop(rival, None)
            if shape.layout != MAPS:
                return None
            larger, smaller = (
                ("pad", "upsample", "conv_transpose"),
                ("crop", "max_pool", "conv"),
            )
            options = larger if op == "upsample" else smaller
            found = self.plain(source.choice(options), shape)
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

    def plain(self, op: str, shape: Shape) -> tuple[Entry, Shape] | None:
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
