"""What fails while a spec unrolls enters; diagnostics at the place to change leave.

A layer in a block often only hands an argument on (`filters: $width`). What is wrong with such
a value stands where the block is used, and is reported there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from cnnspec.declared import UNKNOWN_NAME
from cnnspec.diagnostics import Bag, Label
from cnnspec.expressions import Name
from cnnspec.spec import Operation, Parallel, Residual, Use
from cnnspec.yamltree import Mapping, Scalar

if TYPE_CHECKING:
    from cnnspec.graph import Edge, Graph, Scope
    from cnnspec.layers.layer import Remark
    from cnnspec.merging import Edit
    from cnnspec.shapes import Shape
    from cnnspec.source import Span
    from cnnspec.spec import Entry, Reuse, Spec
    from cnnspec.values import Unevaluable, Value
    from cnnspec.yamltree import Node

MAX_NOTES = 8  # of the blocks around a fault, the innermost


class Fault(NamedTuple):
    """A remark as it was reported, kept so that its remedies can be tried."""

    remark: Remark
    span: Span
    entry: Entry
    scope: Scope
    edits: list[Edit]


class Setting(NamedTuple):
    """Where a field's value is set: under `field` of `entry`."""

    entry: Entry
    field: str

    @property
    def node(self) -> Node | None:
        """The value; None where it is not given."""
        # From the entry's own node: `given` may be shared with an entry that says the same.
        node = self.entry.node
        if not isinstance(node, Mapping):
            return None
        if self.field == "init":  # beside the operation
            return node.get(self.field)
        fields = node.get(self.entry.key)
        return fields.get(self.field) if isinstance(fields, Mapping) else None


class TooLarge(Exception):
    """The budget on layers is spent; it is reported already."""


def setting(entry: Entry, field: str, scope: Scope) -> Setting:
    """Where a layer's field is set: outside, where the block only hands an argument on."""
    while isinstance(entry, Operation | Use) and scope.parent is not None:
        value = entry.given.get(field)
        name = value.tree.name if value and isinstance(value.tree, Name) else ""
        if scope.use is None or name not in scope.use.given:
            break
        entry, field, scope = scope.use, name, scope.parent
    return Setting(entry, field)


class Findings:
    """Collects what fails in one expansion; `faults` are those that may have remedies."""

    __slots__ = ("_bag", "_file", "_graph", "_spec", "_told", "faults")

    def __init__(self, spec: Spec, graph: Graph, file: str, bag: Bag) -> None:
        self.faults: list[Fault] = []
        self._spec = spec
        self._graph = graph
        self._file = file
        self._bag = bag
        self._told: set[tuple[object, ...]] = set()

    def unevaluable(self, fault: Unevaluable, scope: Scope) -> None:
        """A name that is missing because of an earlier fault is no second fault."""
        error = fault.error
        if not (scope.incomplete and error.code == UNKNOWN_NAME):
            notes = self._notes(scope)
            span = fault.span
            self._bag.add(error.code, error.message, span, notes=notes, help=error.help)

    def refused(self, entry: Operation, field: str, plain: Any, scope: Scope) -> None:
        """A field does not take what its expressions give."""
        from cnnspec.schema import explain_value

        value = entry.given[field]
        source = self._source(value, scope)
        key = (field, value.node.span, source.span)
        if key in self._told:
            return
        self._told.add(key)
        found = Bag()
        explain_value(
            entry.op,
            field,
            plain,
            source,
            f"`{entry.key}`",
            entry.key_span,
            found,
            self._notes(scope),
        )
        related = self._handed_on(value, source, entry, field)
        for d in found.sorted():
            self._bag.add(
                d.code,
                d.message,
                d.span,
                d.label,
                notes=d.notes,
                help=d.help,
                related=related,
            )

    def no_condition(self, value: Value, found: Any, scope: Scope) -> None:
        """`when`, `trainable` or `connect` is neither true nor false."""
        schema = {"type": "boolean"}
        message = "a condition must be true or false"
        self._wrong_value("CS206", message, value, found, schema, scope)

    def no_count(self, value: Value, found: Any, scope: Scope) -> None:
        """`repeat` is no number of times."""
        schema = {"type": "integer", "minimum": 0}
        message = "`repeat` takes an integer of at least 0"
        self._wrong_value("CS207", message, value, found, schema, scope)

    def too_deep(self, span: Span, limit: int, scope: Scope) -> NoReturn:
        self._bag.add(
            "CS220",
            f"layers are nested deeper than {limit} lists",
            span,
            notes=self._notes(scope)[:1],
        )
        raise TooLarge

    def too_many(self, span: Span, label: str, limit: int, scope: Scope) -> NoReturn:
        self._bag.add(
            "CS221",
            f"the spec expands to more than {limit:,} layers",
            span,
            label,
            notes=self._notes(scope)[:3],
        )
        raise TooLarge

    def remark(
        self, remark: Remark, entry: Entry, inputs: tuple[Edge, ...], scope: Scope
    ) -> None:
        """Something about a layer and its inputs."""
        # The same layer on the same shapes has the very same remark: a repeat says it once.
        key = (id(remark), entry.key_span, scope.use and scope.use.key_span)
        if key in self._told:
            return
        self._told.add(key)
        edits: list[Edit] = []
        if isinstance(entry, Residual | Parallel) and remark.code == "CS306":
            from cnnspec import merging

            shapes = [self._graph.shape(edge) for edge in inputs]
            remark = merging.in_words(remark, entry, shapes)
            edits = merging.edits(entry, shapes, scope)
        span, related = entry.key_span, self._producers(remark, inputs, scope)
        if remark.field is not None and isinstance(entry, Operation):
            place = setting(entry, remark.field, scope)
            node = place.node
            if node is not None:
                span = node.span
                if place.entry is not entry:
                    value = entry.given[remark.field]
                    related += self._handed_on(value, node, entry, remark.field)
        self._bag.add(
            remark.code,
            remark.message,
            span,
            remark.label,
            notes=self._notes(scope),
            help=remark.help,
            related=related,
        )
        if remark.remedies or edits:
            self.faults.append(Fault(remark, span, entry, scope, edits))

    def unlike(
        self,
        entry: Reuse,
        target: Entry,
        shapes: tuple[Shape | None, Shape | None],
        scope: Scope,
    ) -> None:
        """The weights of what is reused are for another shape."""
        before, now = shapes
        self._bag.add(
            "CS307",
            f"the weights of `{target.name}` don't fit this input",
            entry.target.span,
            f"gets {now}",
            notes=self._notes(scope),
            related=(Label(target.key_span, f"its weights were made for {before}"),),
            help="let as many channels enter"
            if before and now and before.channels != now.channels
            else "let both inputs have the same shape",
        )

    def _wrong_value(
        self,
        code: str,
        message: str,
        value: Value,
        found: Any,
        schema: dict[str, Any],
        scope: Scope,
    ) -> None:
        from cnnspec.wording import help_for, received

        node = self._source(value, scope)
        verb, help = "gets", None
        if node.kind != "an expression":
            quoted = isinstance(node, Scalar) and not node.plain
            help = help_for(found, schema, quoted)
        else:
            verb = "evaluates to"
            if code == "CS206":
                help = "compare it, such as `$(width != 0)`"
            elif type(found) is float:
                help = "`//` divides integers to an integer"
        self._bag.add(
            code,
            message,
            node.span,
            f"{verb} {received(found)}",
            notes=self._notes(scope),
            help=help,
            related=self._handed_on(value, node),
        )

    def _source(self, value: Value, scope: Scope) -> Node:
        """Where a value that is wrong in itself was written, through names handed on whole."""
        while isinstance(value.tree, Name):
            name, block, use = value.tree.name, scope.block, scope.use
            argument = block.args.get(name) if block else None
            if block is None or use is None or scope.parent is None or argument is None:
                if block is not None and name in block.let:
                    break
                return self._spec.variables.nodes.get(name, value.node)
            given = use.given.get(name)
            if given is None:
                return argument.default.node if argument.default else value.node
            value, scope = given, scope.parent
        return value.node

    def _handed_on(
        self, value: Value, source: Node, entry: Entry | None = None, field: str = ""
    ) -> tuple[Label, ...]:
        """Where a value written elsewhere is used: in a field, or as a condition or count."""
        if source.span == value.node.span:
            return ()
        used = f"`{field}` of `{entry.key}` takes it" if entry else "used here"
        return (Label(value.node.span, used),)

    def _notes(self, scope: Scope) -> tuple[str, ...]:
        """In which block, and where that is used, from the inside out."""
        notes: list[str] = []
        where: Scope | None = scope
        while where is not None and where.use is not None and where.block is not None:
            span, name = where.use.key_span, where.block.name
            turn = ""
            if where.round:
                turn = f", repeat {where.round[0] + 1} of {where.round[1]}"
            place = f"{self._file}:{span.line}:{span.column}"
            notes.append(f"in block `{name}`{turn}, used at {place}")
            where = where.parent
        return tuple(notes[:MAX_NOTES])

    def _producers(
        self, remark: Remark, inputs: tuple[Edge, ...], scope: Scope
    ) -> tuple[Label, ...]:
        """Who made the shape at fault; of several inputs the first one's maker, too."""
        if remark.port is None:
            return ()
        ports = [remark.port] if len(inputs) == 1 else [0, remark.port]
        labels = [self._producer(inputs[port], scope) for port in ports]
        return tuple(dict.fromkeys(label for label in labels if label))

    def _producer(self, edge: Edge, scope: Scope) -> Label | None:
        """The maker as the reader of this scope knows it: a layer, or the block around it."""
        node = self._graph.nodes[edge.node]
        shape = node.outputs[edge.port]
        if node.entry is None:
            spans = [d.span for d in self._spec.inputs if d.name == node.path]
            return Label(spans[0], f"is {shape}") if spans else None
        around = list(_outwards(scope))
        entry: Entry = node.entry
        for inner in _outwards(node.scope):
            if inner in around or inner.use is None:
                break
            entry = inner.use
        return Label(entry.key_span, f"gives {shape}")


def _outwards(scope: Scope) -> Iterator[Scope]:
    where: Scope | None = scope
    while where is not None:
        yield where
        where = where.parent
