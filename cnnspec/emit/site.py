"""A site: one entry of a definition with all its instances; fields in, code of both targets out.

A layer's emission says which framework call with which arguments; the site knows how each
argument is written at this place: as a literal, or as an expression of the block's arguments
that was checked to give the right number in every instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.emit.call import Attribute, Binary, Call, Code, Keyword, List
from cnnspec.emit.quote import literal
from cnnspec.emit.render import (
    Value,
    Verbatim,
    evaluate_value,
    holds_anywhere,
    used_names,
)
from cnnspec.expressions import Expr, Literal
from cnnspec.layers.layer import Layer
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.walk import Walk
    from cnnspec.graph import Node, Occurrence
    from cnnspec.initializers import Initializer
    from cnnspec.source import Span
    from cnnspec.spec import Entry

__all__ = ["Inexpressible", "Instance", "Site", "Step", "Value"]


class Instance(NamedTuple):
    """The entry as it stands in the expanded graph once."""

    layer: Layer
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    values: dict[str, Any]  # the scope: arguments, let, in_channels, index


class Step(NamedTuple):
    """One call in the forward: input codes in, output code out."""

    apply: Callable[..., Code]
    guard: Value = None  # the call stands under `if guard:`
    is_module: bool = False  # `self.NAME(x)`, which nn.Identity() can stand in for


class Inexpressible(Exception):
    """The target cannot say this (CS5nn); `entry` is where it was met."""

    def __init__(
        self, code: str, message: str, help: str, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.field = code, message, help, field
        self.entry: Entry | None = None

    @property
    def span(self) -> Span:
        """The field at fault, else the operation."""
        assert self.entry is not None
        given = getattr(self.entry, "given", {}).get(self.field)
        span: Span = given.node.span if given is not None else self.entry.key_span
        return span


class Site:
    """What a layer's emission may ask; values are rendered where they are placed.

    Args:
        nodes: the entry's nodes that are meant, each with its occurrence.
        entry: where they stand in the definition.
        channels: expressions that may give the channels of the first input.
    """

    __slots__ = ("_channels", "_entry", "_nodes", "_walk", "instances")

    def __init__(
        self,
        walk: Walk,
        entry: Entry,
        nodes: list[tuple[Node, Occurrence]],
        channels: list[Expr],
    ) -> None:
        self._walk = walk
        self._entry = entry
        self._nodes = nodes
        self._channels = channels
        self.instances = tuple(walk.instance(node, o) for node, o in nodes)

    @property
    def rank(self) -> int:
        """Spatial axes of the first input, the same in all instances (else CS501)."""
        rank: int = self.common(
            lambda i: i.inputs[0].rank, "the number of spatial axes"
        )
        return rank

    @property
    def channels(self) -> Value:
        """Channels (features) of the first input as a value."""
        return self.number(lambda i: i.inputs[0].channels, *self._channels)

    def field(self, name: str) -> Value:
        """A field's value: the spec's own expression, or the literal (tuples for lists)."""
        given = getattr(self._entry, "given", {}).get(name)
        if given is None or not given.dynamic:
            return self.instances[0].layer.values[name]
        return self._walk.definition.bound(given)

    def part(self, field: str, key: str) -> Value:
        """A value inside a field whose value is a mapping (a tuple with names, by then)."""
        given = getattr(self._entry, "given", {}).get(field)
        plain = [getattr(i.layer.values[field], key) for i in self.instances]
        if given is None or not given.dynamic:
            return plain[0]
        whole = self._walk.definition.bound(given)
        if isinstance(whole, dict):
            return whole.get(key, plain[0])
        mappings = [i.values[whole.name] for i in self.instances]  # handed on whole
        mapping = self.written(whole)
        if all(key in given for given in mappings):
            return Verbatim(f'{mapping}["{key}"]')
        if all(key not in given for given in mappings):
            return plain[0]
        default = next(v for v, m in zip(plain, mappings, strict=True) if key not in m)
        return Verbatim(f'{mapping}.get("{key}", {literal(default)})')

    def common(
        self, get: Callable[[Instance], Any], what: str, field: str | None = None
    ) -> Any:
        """What `get` gives for every instance; raises Inexpressible (CS501) if they differ."""
        values = [get(instance) for instance in self.instances]
        if any(value != values[0] for value in values):
            raise Inexpressible(
                "CS501",
                f"{what} of `{self._entry.key}` differs between uses of its block "
                f"({values[0]} and {next(v for v in values if v != values[0])}), and "
                f"{self._walk.target} source has no expression for that",
                "give each kind a block of its own",
                field,
            )
        return values[0]

    def agreed(self, get: Callable[[Instance], Any]) -> bool:
        """Whether `get` gives the same for every instance."""
        first = get(self.instances[0])
        return all(get(instance) == first for instance in self.instances)

    def number(self, get: Callable[[Instance], Any], *candidates: Value) -> Value:
        """A value that is `get(instance)` in every instance.

        The shortest candidate that holds everywhere, else the literal where all agree, else an
        extra argument of the block that carries it.
        """
        wanted = [get(instance) for instance in self.instances]
        occurrences = [occurrence for _, occurrence in self._nodes]
        return self._walk.pick(self._entry, occurrences, wanted, list(candidates))

    def unless(self, default: Any, **values: Value) -> dict[str, Value]:
        """The keyword arguments whose value is not known to be `default`."""
        return {
            name: value
            for name, value in values.items()
            if used_names(value) or not _is(value, default)
        }

    def written(self, value: Value) -> Code:
        """A value as the place that makes modules and layers reads it."""
        return self._walk.in_constructor(value)

    def made(self, function: str, /, *args: Value, **options: Value) -> Value:
        """`function(args, options)`, an argument of another construction."""
        return Verbatim(Call(function, self._arguments(args, options, inside=False)))

    def kernels_apart(self, kind: str) -> None:
        """Says that a distribution draws each of `module.kernels()` for itself.

        Args:
            kind: the class of the entry's module.
        """
        self._walk.kernels_apart[self._entry] = kind

    def constant(self, suffix: str, value: Value) -> Value:
        """The name of a constant of the file that holds these nested numbers.

        A single number, and what depends on the block's arguments, stays as it is.
        """
        if not isinstance(value, tuple) or used_names(value):
            return value
        numbers = evaluate_value(value, {})
        return Verbatim(self._walk.constant(self._entry, suffix, numbers))

    def module(self, function: str, /, *args: Value, **options: Value) -> Step:
        """`self.NAME = function(args, options)` in __init__; the step calls `self.NAME(x)`."""
        code = Call(function, self._arguments(args, options, inside=False))
        called = self._walk.register(self._entry, code)
        return Step(lambda *inputs: Call(called, inputs), is_module=True)

    def layer(
        self, function: str, /, *args: Value, suffix: str = "", **options: Value
    ) -> Step:
        """`function(args, options, name=PATH)(x)`; with `suffix` the name is PATH.suffix.

        Several inputs are passed as one list: `layers.Add(name=...)([x, shortcut])`.
        """
        function, extra = self._walk.initialised(self._entry, function)
        name = self._walk.layer_name(self._entry, suffix)
        arguments = (
            *self._arguments(args, options, inside=True),
            *extra,
            Keyword("name", name),
        )
        made = self._walk.shared(self._entry, suffix, Call(function, arguments))
        return Step(lambda *inputs: Call(made, (_together(inputs),)))

    def initializer(self, default: Initializer) -> Verbatim:
        """What draws the kernel in Keras: the entry's `init`, else the default."""
        return Verbatim(self._walk.drawn(self._entry, self._entry.init or default))

    @property
    def init(self) -> Initializer | None:
        """The entry's `init`, if it has one."""
        return self._entry.init

    def given_anywhere(self, op: str, field: str) -> bool:
        """Whether any such layer of the network has the field: a helper must know of it."""
        return (op, field) in self._walk.given_fields

    def call(self, function: str, /, *args: Value, **options: Value) -> Step:
        """`function(x, args, options)`; several inputs come one after the other."""
        rest = self._arguments(args, options, inside=True)
        self._walk.functions.add(function)
        return Step(lambda *inputs: Call(function, (*inputs, *rest)))

    def call_list(self, function: str, /, *args: Value, **options: Value) -> Step:
        """`function([x, y], args, options)`."""
        rest = self._arguments(args, options, inside=True)
        self._walk.functions.add(function)
        return Step(lambda *inputs: Call(function, (List(inputs), *rest)))

    def method(self, name: str, /, *args: Value, **options: Value) -> Step:
        """`x.name(args, options)`."""
        rest = self._arguments(args, options, inside=True)
        return Step(lambda x: Call(_attribute(x, name), rest))

    def operator(self, sign: str) -> Step:
        """`x + y`."""
        return Step(lambda *inputs: Binary(sign, inputs))

    def guarded(self, step: Step, number: Value) -> Step:
        """The step under `if number:` where `number` is 0 in some instances."""
        if not used_names(number):
            return step
        zeros = holds_anywhere(number, 0, [i.values for i in self.instances])
        return step._replace(guard=number) if zeros else step

    def helper(
        self, name: str, source: str, entries: Mapping[str, str] | None = None
    ) -> str:
        """Adds a function's or class's source to the module, once; returns its name.

        A function is for `call`; a class for `module` or `layer`.

        Args:
            entries: code by key for the line `# entries` in the source's dict, which gets
                those of all places that use the helper.

        Raises: ValueError where the source is not one of that name, or imports something;
            Inexpressible (CS124) where the name is that of another helper.
        """
        self._walk.add_helper(self._entry, name, source)
        for key, code in (entries or {}).items():
            self._walk.helper_entries[name, key] = code
        return f"_{name}"

    def _arguments(
        self, args: tuple[Value, ...], options: dict[str, Value], inside: bool
    ) -> tuple[Any, ...]:
        """Arguments as code; `inside` the forward, where PyTorch reads `self.stride`."""
        spell = self._walk.in_forward if inside else self._walk.in_constructor
        return (
            *(spell(value) for value in args),
            *(Keyword(name, spell(value)) for name, value in options.items()),
        )


def _is(value: Value, default: Any) -> bool:
    plain = value.value if isinstance(value, Literal) else value
    return bool(plain == default) and isinstance(plain, bool) == isinstance(
        default, bool
    )


def _together(inputs: tuple[Code, ...]) -> Code:
    return inputs[0] if len(inputs) == 1 else List(inputs)


def _attribute(value: Code, name: str) -> Code:
    return f"{value}.{name}" if isinstance(value, str) else Attribute(value, name)
