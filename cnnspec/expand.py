"""A Spec enters, a Graph leaves: blocks, repeats and branches unrolled, every shape inferred.

Expansion and inference are one walk, because structure may depend on `in_channels`, which is a
shape. A layer that fails has an unknown shape, and what reads it stays silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.declared import report, settle
from cnnspec.graph import Edge, Graph, Node, Occurrence, Scope
from cnnspec.infer import Inference, Result
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer, Remark
from cnnspec.layers.split import Split
from cnnspec.spec import (
    Body,
    Broken,
    Entry,
    Head,
    InputDefinition,
    Operation,
    Parallel,
    Reference,
    Residual,
    Spec,
    Use,
)
from cnnspec.values import Unevaluable, Value

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.shapes import Shape

MAX_LAYERS = 50_000
MAX_VISITS = 4 * MAX_LAYERS  # entries that leave no node, such as empty blocks
MAX_NESTING = 100

_MERGES = {
    "concat": OPERATIONS["concat"]({}),
    "add": OPERATIONS["add"]({}),
    "multiply": OPERATIONS["multiply"]({}),
    "average": OPERATIONS["average"]({}),
    "maximum": OPERATIONS["maximum"]({}),
}


class Fault(NamedTuple):
    """A remark as it was reported, kept so that its remedies can be tried."""

    remark: Remark
    entry: Entry
    scope: Scope
    inputs: tuple[Edge, ...]


class TooLarge(Exception):
    """The budget on layers is spent; it is reported already."""


def expand(spec: Spec, file: str, bag: Bag) -> tuple[Graph, list[Fault]]:
    """Unrolls the spec.

    Args:
        file: the spec's name, for notes such as "used at FILE:22:5".
    """
    expansion = _Expansion(spec, file, bag)
    try:
        expansion.run()
    except TooLarge:
        expansion.graph.outputs.clear()
    return expansion.graph, expansion.faults


class _Frame(NamedTuple):
    """Where the walk stands: names in sight of expressions, outputs in sight of references."""

    scope: Scope
    values: dict[str, Any]
    outputs: dict[object, Edge]
    suffix: str  # `[i]` of the repeated containers around, within the definition
    trainable: bool
    serves: bool
    nesting: int


class _Expansion:
    __slots__ = (
        "bag",
        "faults",
        "file",
        "graph",
        "inference",
        "layers",
        "spec",
        "visits",
    )

    def __init__(self, spec: Spec, file: str, bag: Bag) -> None:
        self.spec = spec
        self.file = file
        self.bag = bag
        self.graph = Graph()
        self.faults: list[Fault] = []
        self.inference = Inference()
        self.layers: dict[Any, Layer] = {}
        self.visits = 0

    def run(self) -> None:
        spec, graph = self.spec, self.graph
        scope = Scope(None, dict(spec.variables), "")
        outputs: dict[object, Edge] = {}
        for definition in spec.inputs:
            edge = Edge(len(graph.nodes))
            node = Node(definition.name, None, (), (definition.shape,), None, scope)
            node.field = self.inference.start(definition.shape)
            graph.nodes.append(node)
            graph.inputs[definition.name] = edge
            outputs[definition] = edge
        if not graph.inputs:
            return
        flow = next(iter(graph.inputs.values()))
        if len(graph.inputs) == 1:
            outputs[INPUT_KEY] = flow
            self._bind_channels(scope, graph.shape(flow))
        frame = _Frame(scope, scope.values, outputs, "", True, True, 0)
        flow = self._expand_list(spec.layers, flow, frame)
        graph.outputs.update(self._model_outputs(flow, outputs))

    def _model_outputs(
        self, flow: Edge, outputs: dict[object, Edge]
    ) -> dict[str, Edge]:
        heads = self.graph.heads
        if self.spec.outputs is None:
            return {"output": flow, **{n: outputs[head] for n, head in heads.items()}}
        return {
            reference.name: outputs[reference.target]
            for reference in self.spec.outputs
            if reference.target in outputs
        }

    def _bind_channels(self, scope: Scope, shape: Shape | None) -> None:
        if shape is None:
            scope.incomplete = True
        elif shape.channels is not None:
            scope.values["in_channels"] = shape.channels

    def _expand_list(self, body: Body, flow: Edge, frame: _Frame) -> Edge:
        if frame.nesting > MAX_NESTING:
            self._stop(body[0] if body else None, "CS220", frame)
        for entry in body:
            flow = self._expand_entry(entry, flow, frame)
        return flow

    def _expand_entry(self, entry: Entry, flow: Edge, frame: _Frame) -> Edge:
        self.visits += 1
        if self.visits > MAX_VISITS:
            self._stop(entry, "CS221", frame)
        if entry.source is not None:
            flow = self._find(entry.source, flow, frame)
        output = flow
        if entry.when is not None and not self._condition(entry.when, frame):
            self._record(entry, frame, frame.values, False, None, (flow,), flow)
        elif entry.repeat is None:
            output = self._expand_once(entry, flow, frame, None)
        else:
            rounds = self._rounds(entry, frame)
            for index in range(rounds):
                values = {**frame.values, "index": index}
                inner = frame._replace(values=values, suffix=f"{frame.suffix}[{index}]")
                output = self._expand_once(entry, output, inner, rounds)
            if rounds == 0:
                self._record(entry, frame, frame.values, True, 0, (flow,), flow)
        frame.outputs[entry] = output
        return output

    def _expand_once(
        self, entry: Entry, flow: Edge, frame: _Frame, rounds: int | None
    ) -> Edge:
        if entry.trainable is not None and not self._flag(entry.trainable, True, frame):
            frame = frame._replace(trainable=False)
        if type(entry) is Operation:
            return self._operation(entry, flow, frame, rounds)
        if type(entry) is Use:
            return self._use(entry, flow, frame, rounds)
        if type(entry) is Residual:
            return self._residual(entry, flow, frame, rounds)
        if type(entry) is Parallel:
            return self._parallel(entry, flow, frame, rounds)
        if type(entry) is Head:
            return self._head(entry, flow, frame)
        assert type(entry) is Broken
        return self._add_node(entry, None, (flow,), frame)[0]

    def _operation(
        self, entry: Operation, flow: Edge, frame: _Frame, rounds: int | None
    ) -> Edge:
        inputs = (flow,)
        if entry.edges:
            inputs = (flow, *(self._find(e, flow, frame) for e in entry.edges))
        layer = entry.layer
        if layer is None:
            layer = self._make_layer(entry, frame)
        edge, node = self._add_node(entry, layer, inputs, frame)
        self._record(entry, frame, frame.values, True, rounds, inputs, edge, node)
        return edge

    def _make_layer(self, entry: Operation, frame: _Frame) -> Layer | None:
        try:
            plain = [value.evaluate(frame.values) for value in entry.given.values()]
        except Unevaluable as fault:
            self._report(fault, frame)
            return None
        key = (entry, *map(repr, plain))
        if key not in self.layers:
            notes = self._notes(frame.scope)
            layer = settle(
                entry.op,
                entry.given,
                frame.values,
                f"`{entry.key}`",
                entry.key_span,
                self.bag,
                notes,
            )
            if layer is None:
                return None
            self.layers[key] = layer
        return self.layers[key]

    def _use(self, entry: Use, flow: Edge, frame: _Frame, rounds: int | None) -> Edge:
        block = entry.block
        path = self._path(entry, frame)
        index = frame.values.get("index", 0)
        scope = Scope(
            block,
            dict(self.spec.variables),
            f"{path}.",
            frame.scope,
            entry,
            (index, rounds) if rounds is not None else None,
        )
        for name, argument in block.args.items():
            value = entry.given.get(name)
            try:
                if value is not None:
                    scope.values[name] = value.evaluate(frame.values)
                elif argument.default is not None:
                    scope.values[name] = argument.default.tree
                else:
                    scope.incomplete = True
            except Unevaluable as fault:
                self._report(fault, frame)
                scope.values.pop(name, None)
                scope.incomplete = True
        self._bind_channels(scope, self.graph.shape(flow))
        inner = frame._replace(
            scope=scope,
            values=scope.values,
            outputs={INPUT_KEY: flow},
            suffix="",
            nesting=frame.nesting + 1,
        )
        for name, value in block.let.items():
            try:
                scope.values[name] = value.evaluate(scope.values)
            except Unevaluable as fault:
                self._report(fault, inner)
                scope.values.pop(name, None)
                scope.incomplete = True
        output = self._expand_list(block.layers, flow, inner)
        self._record(
            entry, frame, frame.values, True, rounds, (flow,), output, None, scope
        )
        return output

    def _nested(self, body: Body, flow: Edge, frame: _Frame) -> Edge:
        """A nested list; which names it may read `references` has settled."""
        return self._expand_list(body, flow, frame._replace(nesting=frame.nesting + 1))

    def _residual(
        self, entry: Residual, flow: Edge, frame: _Frame, rounds: int | None
    ) -> Edge:
        output = self._nested(entry.body, flow, frame)
        node = None
        if entry.connect is None or self._flag(entry.connect, True, frame):
            shortcut = self._nested(entry.shortcut, flow, frame)
            output, node = self._add_node(
                entry, _MERGES["add"], (output, shortcut), frame
            )
        self._record(entry, frame, frame.values, True, rounds, (flow,), output, node)
        return output

    def _parallel(
        self, entry: Parallel, flow: Edge, frame: _Frame, rounds: int | None
    ) -> Edge:
        count = len(entry.branches)
        starts = [flow] * count
        if entry.split:
            split, _ = self._add_node(
                entry, Split({"parts": count}), (flow,), frame, ".split"
            )
            starts = [Edge(split.node, port) for port in range(count)]
        ends = tuple(
            self._nested(branch, start, frame)
            for branch, start in zip(entry.branches, starts, strict=True)
        )
        output, node = self._add_node(entry, _MERGES[entry.merge], ends, frame)
        self._record(entry, frame, frame.values, True, rounds, (flow,), output, node)
        return output

    def _head(self, entry: Head, flow: Edge, frame: _Frame) -> Edge:
        inner = frame._replace(serves=entry.serve)
        output = self._nested(entry.layers, flow, inner)
        self.graph.heads[entry.name] = entry
        self._record(entry, frame, frame.values, True, None, (flow,), output)
        frame.outputs[entry] = output
        return flow

    def _add_node(
        self,
        entry: Entry,
        layer: Layer | None,
        inputs: tuple[Edge, ...],
        frame: _Frame,
        part: str = "",
    ) -> tuple[Edge, Node]:
        nodes = self.graph.nodes
        if len(nodes) - len(self.graph.inputs) >= MAX_LAYERS:
            self._stop(entry, "CS221", frame)
        shapes = tuple([nodes[e.node].outputs[e.port] for e in inputs])
        edge = Edge(len(nodes))
        path = f"{frame.scope.path}{entry.name}{frame.suffix}{part}"
        node = Node(path, layer, inputs, (None,), entry, frame.scope)
        node.trainable = frame.trainable
        node.serves = frame.serves
        nodes.append(node)
        if layer is None or None in shapes:
            if layer is not None:
                node.outputs = (None,) * layer.ports
            return edge, node
        result = self.inference.infer(layer, shapes)  # type: ignore[arg-type]
        for remark in result.remarks:
            self._remark(remark, entry, inputs, frame)
        node.outputs = result.outputs
        node.params = result.params
        node.macs = result.macs
        node.field = self._field(result, inputs)
        return edge, node

    def _field(self, result: Result, inputs: tuple[Edge, ...]) -> Any:
        fields = [self.graph.nodes[e.node].field for e in inputs]
        return self.inference.field(result, fields)

    def _find(self, reference: Reference, flow: Edge, frame: _Frame) -> Edge:
        """The edge a name means; an unknown one (reported already) has an unknown shape."""
        target = reference.target
        found = frame.outputs.get(target)
        if found is None and isinstance(target, InputDefinition):
            found = frame.outputs.get(INPUT_KEY)
        if found is not None:
            return found
        self.graph.nodes.append(Node("?", None, (), (None,), None, frame.scope))
        return Edge(len(self.graph.nodes) - 1)

    def _path(self, entry: Entry, frame: _Frame) -> str:
        return f"{frame.scope.path}{entry.name}{frame.suffix}"

    def _record(self, entry: Entry, frame: _Frame, *rest: Any) -> None:
        occurrence = Occurrence(frame.scope, *rest)
        found = self.graph.occurrences.get(entry)
        if found is None:
            self.graph.occurrences[entry] = [occurrence]
        else:
            found.append(occurrence)

    def _flag(self, value: Value, otherwise: bool, frame: _Frame) -> bool:
        """A value that must be true or false; `otherwise` where it can't be known."""
        try:
            found = value.evaluate(frame.values)
        except Unevaluable as fault:
            self._report(fault, frame)
            return otherwise
        if isinstance(found, bool):
            return found
        self.bag.add(
            "CS206",
            "a condition must be true or false",
            value.node.span,
            f"gives {found!r}",
            help="compare it, such as `$(width != 0)`" if value.dynamic else None,
            notes=self._notes(frame.scope),
        )
        return otherwise

    def _condition(self, value: Value, frame: _Frame) -> bool:
        return self._flag(value, True, frame)

    def _rounds(self, entry: Entry, frame: _Frame) -> int:
        assert entry.repeat is not None
        try:
            found = entry.repeat.evaluate(frame.values)
        except Unevaluable as fault:
            self._report(fault, frame)
            return 1
        span = entry.repeat.node.span
        if type(found) is not int or found < 0:
            self.bag.add(
                "CS207",
                "`repeat` takes a whole number of at least 0",
                span,
                f"gets {found}",
                help="divide with `//`" if type(found) is float else None,
                notes=self._notes(frame.scope),
            )
            return 1
        if found > MAX_LAYERS:
            self._too_many(span, f"repeats {found:,} times", frame)
        return found

    def _stop(self, entry: Entry | None, code: str, frame: _Frame) -> None:
        span = entry.key_span if entry is not None else self.spec.root.span
        if code == "CS221":
            self._too_many(span, "passes the limit here", frame)
        self.bag.add(
            "CS220",
            f"layers are nested deeper than {MAX_NESTING} lists",
            span,
            notes=self._notes(frame.scope)[:1],
        )
        raise TooLarge

    def _too_many(self, span: Any, label: str, frame: _Frame) -> None:
        self.bag.add(
            "CS221",
            f"the spec expands to more than {MAX_LAYERS:,} layers",
            span,
            label,
            notes=self._notes(frame.scope)[:3],
        )
        raise TooLarge

    def _report(self, fault: Unevaluable, frame: _Frame) -> None:
        """A name that is missing because of an earlier fault is no second fault."""
        if not (frame.scope.incomplete and fault.error.code == "CS203"):
            report(fault, self.bag, self._notes(frame.scope))

    def _notes(self, scope: Scope) -> tuple[str, ...]:
        """In which block, and where that is used, from the inside out."""
        notes = []
        where: Scope | None = scope
        while where is not None and where.use is not None and where.block is not None:
            span = where.use.key_span
            turn = (
                f", repeat {where.round[0] + 1} of {where.round[1]}"
                if where.round
                else ""
            )
            notes.append(
                f"in block `{where.block.name}`{turn}, used at "
                f"{self.file}:{span.line}:{span.column}"
            )
            where = where.parent
        return tuple(notes)

    def _remark(
        self, remark: Remark, entry: Entry, inputs: tuple[Edge, ...], frame: _Frame
    ) -> None:
        from cnnspec.remedies import place

        related = ()
        if remark.port is not None:
            related = self._producer(inputs[remark.port])
        self.bag.add(
            remark.code,
            remark.message,
            place(remark, entry),
            remark.label,
            notes=self._notes(frame.scope),
            help=remark.help,
            related=related,
        )
        if remark.remedies:
            self.faults.append(Fault(remark, entry, frame.scope, inputs))

    def _producer(self, edge: Edge) -> Any:
        from cnnspec.diagnostics import Label

        node = self.graph.nodes[edge.node]
        shape = node.outputs[edge.port]
        if node.entry is not None:
            return (Label(node.entry.key_span, f"gives {shape}"),)
        found = [d for d in self.spec.inputs if d.name == node.path]
        return (Label(found[0].span, f"is {shape}"),) if found else ()


INPUT_KEY = "input"  # the enclosing block's or model's input, among a frame's outputs
