"""A definition enters; the body of its Keras function leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.emit.call import Argument, Call, Code, Keyword, Tuple
from cnnspec.emit.flow import Flow
from cnnspec.emit.numbers import carried, check_sizes
from cnnspec.emit.quote import factor, literal
from cnnspec.emit.render import Value, render, used_names
from cnnspec.emit.site import Inexpressible, Site, Step
from cnnspec.emit.statements import INDENT, Assign
from cnnspec.emit.walk import Walk
from cnnspec.layers.constants import KERAS_GIVEN, KERAS_ROWS
from cnnspec.shapes import MAPS
from cnnspec.spec import Entry, Use

if TYPE_CHECKING:
    from cnnspec.graph import Occurrence
    from cnnspec.initializers import Draw, Initializer
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape

WRAPPED = (
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Dense",
)  # get their initializer from a wrapper


class KerasWalk(Walk):
    """Layers are made where they are called; their names are the paths."""

    target = "Keras"
    fuses = False
    train_condition = "training"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.read: set[str] = set()
        self.wrappers: set[str] = set()

    def indent(self) -> int:
        return INDENT + INDENT * len(self.around)

    def steps(self, layer: Layer, site: Site) -> list[Step]:
        return layer.keras(site)

    def in_forward(self, value: Value) -> Code:
        self.read |= used_names(value)
        return render(value, self.spelling(value))

    in_constructor = in_forward

    def register(self, entry: Entry, code: Code) -> str:
        raise AssertionError("Keras has no constructor apart from the forward")

    def initialised(self, entry: Entry, function: str) -> tuple[str, tuple[Any, ...]]:
        if function not in WRAPPED:
            return function, ()
        if entry.init is None:
            self.wrappers.add(function)
            return function, ()
        made = self.drawn(entry, entry.init)
        return f"layers.{function}", (Keyword("kernel_initializer", made),)

    def drawn(self, entry: Entry, init: Initializer) -> Call:
        """The construction of an initializer."""
        from cnnspec.initializers import HeNormal, Values

        if entry.init is None and isinstance(init, HeNormal):
            self.wrappers.add("")  # none, but the function that they call
            return Call("he_normal", ())
        if not isinstance(init, Values):
            return draw_code(init.keras())
        nested = init.axes > self.kernel_axes(entry)
        name, source = ("given_rows", KERAS_ROWS) if nested else ("given", KERAS_GIVEN)
        self.add_helper(entry, name, source)
        numbers = self.given_numbers(entry, init.numbers)
        scale = [Keyword("scale", factor(init.scale))] if init.scale != 1 else []
        return Call(f"_{name}", (numbers, *scale))

    def layer_name(self, entry: Entry, suffix: str) -> str:
        # A round is `.0`, not `[0]`: names become graph scopes, which take no brackets.
        name = self.aliases.get(entry, entry.name)
        path = f"{name}{self.indexes()}" + (f".{suffix}" if suffix else "")
        if self.definition.block is not None:
            return f'f"{{name}}.{path}"'
        return f'f"{path}"' if "{" in path else f'"{path}"'

    def shape_comment(self, shape: Shape) -> str:
        sizes = (
            (*shape.spatial, shape.sizes[0]) if shape.layout == MAPS else shape.sizes
        )
        return f"(N, {', '.join(map(str, sizes))})"

    def use(self, entry: Use, occurrences: list[Occurrence], flow: Flow) -> Step:
        """`basic_block(x, 128, stride=2, name="basic_block2")`."""
        if self.reusing:
            model = self.made[entry, ""]
            return Step(lambda x: Call(model, (x,)))
        arguments: list[Argument] = []
        for argument in entry.block.parameters:
            given = entry.given.get(argument.name)
            if given is not None:
                code = self.in_forward(self.definition.bound(given))
                arguments.append(
                    code if argument.default is None else Keyword(argument.name, code)
                )
        for name, value in carried(self, entry, occurrences):
            arguments.append(Keyword(name, self.in_forward(value)))
        named = Keyword("name", self.layer_name(entry, ""))
        arguments.append(named)
        if self.shares_weights(entry):
            return self.submodel(entry, occurrences, flow, arguments, named)
        return Step(lambda x: Call(entry.block.name, (x, *arguments)))

    def submodel(
        self,
        entry: Use,
        occurrences: list[Occurrence],
        flow: Flow,
        arguments: list[Argument],
        named: Keyword,
    ) -> Step:
        """A block that is reused: a model of its own, for a second call makes new weights."""
        check_sizes(self, entry)
        again = [o for reuse in entry.reuses for o in self.occurrences(reuse)]
        shapes = {self.graph.shape(o.inputs[0]) for o in (*occurrences, *again)}
        first = self.graph.shape(occurrences[0].inputs[0])
        assert first is not None
        sizes: Code = f"{flow.code}.shape[1:]"
        if len(shapes) > 1:
            kinds = {(s.layout, s.rank, s.channels) for s in shapes if s is not None}
            if self.known[entry.block].functions or len(kinds) > 1:
                raise Inexpressible(
                    "CS501",
                    f"`{entry.name}` is reused for inputs of different shapes, and Keras "
                    "source can leave an extent open for layers alone",
                    "let inputs of the same shape enter",
                )
            free = ("None",) * (len(first.sizes) - 1)
            sizes = Tuple((*free, f"{flow.code}.shape[-1]"))
        inputs = self.allocate(f"{entry.name}_input")
        model = self.allocate(f"{entry.name}_model")
        called = Call(entry.block.name, (inputs, *arguments))
        self.statements += [
            Assign(inputs, Call("keras.Input", (sizes,))),
            Assign(model, Call("keras.Model", (inputs, called, named))),
        ]
        self.made[entry, ""] = model
        return Step(lambda x: Call(model, (x,)))

    def repeated(
        self, entry: Entry, occurrences: list[Occurrence], flow: Flow
    ) -> Flow | None:
        return None


def draw_code(draw: Draw) -> Call:
    """An initializer's construction."""
    arguments: list[Argument] = [literal(value) for value in draw.args]
    arguments += [Keyword(name, literal(value)) for name, value in draw.options]
    return Call(draw.function, tuple(arguments))
