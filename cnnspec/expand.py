"""A Spec enters, a Graph leaves: blocks, repeats and branches unrolled, every shape inferred.

Expansion and inference are one walk, because structure may depend on `in_channels`, which is a
shape. A layer that fails has an unknown shape, and what reads it stays silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.fields import Refused
from cnnspec.findings import Fault, Findings, TooLarge
from cnnspec.graph import Edge, Graph, Node, Occurrence, Scope
from cnnspec.infer import Inference, Result
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.layers.split import Split
from cnnspec.scopes import (
    Frame,
    bind_channels,
    ports_of,
    share_weights,
    take_arguments,
    take_let,
)
from cnnspec.spec import (
    INPUT,
    Body,
    Broken,
    Entry,
    Head,
    Operation,
    Parallel,
    Reference,
    Residual,
    Reuse,
    Spec,
    Use,
)
from cnnspec.values import Unevaluable, Value

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.source import Span

MAX_LAYERS = 50_000
MAX_VISITS = 2 * MAX_LAYERS  # entries that leave no node, such as empty blocks
MAX_NESTING = 100

_MERGES = {
    name: OPERATIONS[name]({})
    for name in ("concat", "add", "multiply", "average", "maximum")
}


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
    return expansion.graph, expansion.findings.faults


def _splitter(entry: Parallel) -> Split:
    """What cuts the channels for the branches."""
    return Split({"into": tuple([str(n) for n in range(len(entry.branches))])})


class _Expansion:
    __slots__ = ("findings", "graph", "inference", "layers", "made", "spec", "visits")

    def __init__(self, spec: Spec, file: str, bag: Bag) -> None:
        self.spec = spec
        self.graph = Graph()
        self.findings = Findings(spec, self.graph, file, bag)
        self.inference = Inference()
        self.layers: dict[Any, Layer | None] = {}
        self.made: dict[object, range] = {}  # nodes of what is reused later
        self.visits = 0

    def run(self) -> None:
        spec, graph = self.spec, self.graph
        scope = Scope(None, dict(spec.variables), "")
        scope.incomplete = bool(spec.variables.broken)
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
            outputs[INPUT] = flow
            bind_channels(scope, graph.shape(flow))
        frame = Frame(scope, scope.values, outputs, "", True, True, 0)
        flow = self._expand_list(spec.layers, flow, frame)
        graph.outputs.update(self._model_outputs(flow, frame))

    def _model_outputs(self, flow: Edge, frame: Frame) -> dict[str, Edge]:
        if self.spec.outputs is None:
            heads = self.graph.heads.items()
            return {"output": flow, **{n: frame.outputs[head] for n, head in heads}}
        return {r.name: self._find(r, frame) for r in self.spec.outputs}

    def _expand_list(self, body: Body, flow: Edge, frame: Frame) -> Edge:
        if frame.nesting > MAX_NESTING:
            span = body[0].key_span if body else self.spec.root.span
            self.findings.too_deep(span, MAX_NESTING, frame.scope)
        for entry in body:
            output = self._expand_entry(entry, flow, frame)
            frame.outputs[entry] = output
            if type(entry) is Operation and entry.parts:
                for part in entry.parts:
                    frame.outputs[part] = Edge(output.node, part.port)
            if type(entry) is not Head:  # a head taps the flow and leaves it going
                flow = output
        return flow

    def _expand_entry(self, entry: Entry, flow: Edge, frame: Frame) -> Edge:
        if entry.source is not None:
            flow = self._find(entry.source, frame)
        kept = entry.when is None or self._flag(entry.when, frame)
        rounds = self._rounds(entry, frame) if kept else 0
        if kept is None or rounds is None:
            output = self._add_node(entry, None, (flow,), frame)[0]
        elif entry.repeat is None and kept:
            start = len(self.graph.nodes)
            output = self._expand_once(entry, flow, frame, None)
            if entry.reuses:
                self.made[entry] = range(start, len(self.graph.nodes))
        else:
            output = flow
            for index in range(rounds):
                values = {**frame.values, "index": index}
                inner = frame._replace(values=values, suffix=f"{frame.suffix}[{index}]")
                output = self._expand_once(entry, output, inner, rounds)
            if rounds == 0:
                times = 0 if kept else None
                self._record(entry, frame, frame.values, kept, times, (flow,), flow)
        return output

    def _expand_once(
        self, entry: Entry, flow: Edge, frame: Frame, rounds: int | None
    ) -> Edge:
        self.visits += 1
        if self.visits > MAX_VISITS:
            self._too_many(entry.key_span, "passes the limit here", frame)
        if entry.trainable is not None and self._flag(entry.trainable, frame) is False:
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
        if type(entry) is Reuse:
            return self._reuse(entry, flow, frame, rounds)
        assert type(entry) is Broken
        return self._add_node(entry, None, (flow,), frame)[0]

    def _operation(
        self, entry: Operation, flow: Edge, frame: Frame, rounds: int | None
    ) -> Edge:
        inputs: tuple[Edge, ...] = (flow,)
        if entry.edges:
            inputs = (flow, *(self._find(edge, frame) for edge in entry.edges))
        layer = entry.layer
        if layer is None:
            layer = self._make_layer(entry, frame)
        edge, node = self._add_node(entry, layer, inputs, frame)
        self._record(entry, frame, frame.values, True, rounds, inputs, edge, node)
        return edge

    def _make_layer(self, entry: Operation, frame: Frame) -> Layer | None:
        """The layer with its fields evaluated, made once for equal values."""
        try:
            plain = {n: v.evaluate(frame.values) for n, v in entry.given.items()}
        except Unevaluable as fault:
            self.findings.unevaluable(fault, frame.scope)
            return None
        key = (entry, *map(repr, plain.values()))
        if key not in self.layers or self.layers[key] is None:
            self.layers[key] = self._accept(entry, plain, frame.scope)
        return self.layers[key]

    def _accept(
        self, entry: Operation, plain: dict[str, Any], scope: Scope
    ) -> Layer | None:
        accepted = {}
        for name, value in plain.items():
            try:
                accepted[name] = entry.op.fields[name].accept(value)
            except Refused:
                self.findings.refused(entry, name, value, scope)
        return entry.op(accepted) if len(accepted) == len(plain) else None

    def _use(
        self,
        entry: Use,
        flow: Edge,
        frame: Frame,
        rounds: int | None,
        again: Reuse | None = None,
    ) -> Edge:
        """A block's layers; `again` is where it is reused."""
        where, block = again or entry, entry.block
        turn = (frame.values["index"], rounds) if rounds is not None else None
        path = f"{self._path(where, frame)}."
        values = dict(self.spec.variables)
        scope = Scope(block, values, path, frame.scope, entry, turn)
        scope.incomplete = bool(block.broken or self.spec.variables.broken)
        take_arguments(scope, entry, frame.values, self.findings)
        bind_channels(scope, self.graph.shape(flow))
        take_let(scope, block, self.findings)
        inner = frame._replace(
            scope=scope,
            values=values,
            outputs={INPUT: flow},
            suffix="",
            nesting=frame.nesting + 1,
        )
        output = self._expand_list(block.layers, flow, inner)
        rest = (True, rounds, (flow,), output, None, scope)
        self._record(where, frame, frame.values, *rest)
        return output

    def _reuse(
        self, entry: Reuse, flow: Edge, frame: Frame, rounds: int | None
    ) -> Edge:
        """The layers of an earlier entry once more; the weights stay those of the first."""
        target = entry.target.target
        if target is None or target not in self.made:
            return self._add_node(entry, None, (flow,), frame)[0]
        assert isinstance(target, Operation | Use)
        nodes, first = self.graph.nodes, self.made[target]
        start = len(nodes)
        if target.trainable is not None:
            frozen = self._flag(target.trainable, frame) is False
            frame = frame._replace(trainable=frame.trainable and not frozen)
        if isinstance(target, Use):
            output = self._use(target, flow, frame, rounds, entry)
        else:
            layer = nodes[first.start].layer
            output, node = self._add_node(entry, layer, (flow,), frame)
            rest = (True, rounds, (flow,), output, node)
            self._record(entry, frame, frame.values, *rest)
        owners = nodes[first.start : first.stop]
        if not share_weights(self.graph, owners, nodes[start:]):
            before = self.graph.shape(owners[0].inputs[0])
            shapes = (before, self.graph.shape(flow))
            self.findings.unlike(entry, target, shapes, frame.scope)
        return output

    def _nested(self, body: Body, flow: Edge, frame: Frame) -> Edge:
        """A nested list; which names it may read `references` has settled."""
        return self._expand_list(body, flow, frame._replace(nesting=frame.nesting + 1))

    def _residual(
        self, entry: Residual, flow: Edge, frame: Frame, rounds: int | None
    ) -> Edge:
        output = self._nested(entry.body, flow, frame)
        node = None
        connect = entry.connect is None or self._flag(entry.connect, frame)
        if connect is None:
            return self._add_node(entry, None, (flow,), frame)[0]
        if connect:
            shortcut = self._nested(entry.shortcut, flow, frame)
            output, node = self._add_node(
                entry, _MERGES["add"], (output, shortcut), frame
            )
        self._record(entry, frame, frame.values, True, rounds, (flow,), output, node)
        return output

    def _parallel(
        self, entry: Parallel, flow: Edge, frame: Frame, rounds: int | None
    ) -> Edge:
        count = len(entry.branches)
        starts = [flow] * count
        if entry.split:
            split, _ = self._add_node(entry, _splitter(entry), (flow,), frame, ".split")
            starts = [Edge(split.node, port) for port in range(count)]
            self.graph.splits[self._path(entry, frame)] = self.graph.nodes[split.node]
        ends = tuple(
            self._nested(branch, start, frame)
            for branch, start in zip(entry.branches, starts, strict=True)
        )
        output, node = self._add_node(entry, _MERGES[entry.merge], ends, frame)
        self._record(entry, frame, frame.values, True, rounds, (flow,), output, node)
        return output

    def _head(self, entry: Head, flow: Edge, frame: Frame) -> Edge:
        inner = frame._replace(serves=entry.serve)
        output = self._nested(entry.layers, flow, inner)
        self.graph.heads[entry.name] = entry
        self._record(entry, frame, frame.values, True, None, (flow,), output)
        return output

    def _add_node(
        self,
        entry: Entry,
        layer: Layer | None,
        inputs: tuple[Edge, ...],
        frame: Frame,
        part: str = "",
    ) -> tuple[Edge, Node]:
        nodes = self.graph.nodes
        if len(nodes) - len(self.graph.inputs) >= MAX_LAYERS:
            self._too_many(entry.key_span, "passes the limit here", frame)
        shapes = [nodes[e.node].outputs[e.port] for e in inputs]
        known = tuple([shape for shape in shapes if shape is not None])
        edge = Edge(len(nodes))
        path = self._path(entry, frame) + part
        node = Node(path, layer, inputs, (None,), entry, frame.scope)
        node.trainable = frame.trainable
        node.serves = frame.serves
        nodes.append(node)
        if layer is None or len(known) < len(inputs):
            node.outputs = (None,) * ports_of(entry, layer)
            return edge, node
        result = self.inference.infer(layer, known)
        begun = self.inference.beginning(entry.init, layer, known)
        for remark in (*result.remarks, *begun):
            self.findings.remark(remark, entry, inputs, frame.scope)
        node.outputs = result.outputs
        node.params = result.params
        node.trainable_params = result.trainable_params if frame.trainable else 0
        node.macs = result.macs
        node.field = self._field(result, inputs)
        return edge, node

    def _field(self, result: Result, inputs: tuple[Edge, ...]) -> Any:
        fields = [self.graph.nodes[e.node].field for e in inputs]
        return self.inference.field(result, fields)

    def _find(self, reference: Reference, frame: Frame) -> Edge:
        """The edge a name means; an unknown one (reported already) has an unknown shape."""
        target = reference.target
        found = frame.outputs.get(target)
        if found is not None:
            return found
        self.graph.nodes.append(Node("?", None, (), (None,), None, frame.scope))
        return Edge(len(self.graph.nodes) - 1)

    def _path(self, entry: Entry, frame: Frame) -> str:
        return f"{frame.scope.path}{entry.name}{frame.suffix}"

    def _record(self, entry: Entry, frame: Frame, *rest: Any) -> None:
        occurrence = Occurrence(frame.scope, *rest)
        found = self.graph.occurrences.get(entry)
        if found is None:
            self.graph.occurrences[entry] = [occurrence]
        else:
            found.append(occurrence)

    def _flag(self, value: Value, frame: Frame) -> bool | None:
        """A value that must be true or false; None where it can't be known."""
        try:
            found = value.evaluate(frame.values)
        except Unevaluable as fault:
            self.findings.unevaluable(fault, frame.scope)
            return None
        if isinstance(found, bool):
            return found
        self.findings.no_condition(value, found, frame.scope)
        return None

    def _rounds(self, entry: Entry, frame: Frame) -> int | None:
        """How often an entry stands here; None where it can't be known."""
        if entry.repeat is None:
            return 1
        try:
            found = entry.repeat.evaluate(frame.values)
        except Unevaluable as fault:
            self.findings.unevaluable(fault, frame.scope)
            return None
        if type(found) is not int or found < 0:
            self.findings.no_count(entry.repeat, found, frame.scope)
            return None
        if found > MAX_LAYERS:
            span = entry.repeat.node.span
            self._too_many(span, f"repeats {found:,} times", frame)
        return found

    def _too_many(self, span: Span, label: str, frame: Frame) -> None:
        self.findings.too_many(span, label, MAX_LAYERS, frame.scope)
