"""A definition enters, the statements of its forward leave; targets say how calls are made.

The flow is a variable or an open expression. An elementwise layer is written around an open
expression (`F.relu(self.conv(x))`), anything else begins a statement of its own. A layer that
is read by name gets a variable of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.emit import channels, containers
from cnnspec.emit.call import WIDTH, Code, one_line
from cnnspec.emit.definitions import Definition
from cnnspec.emit.flow import Condition, Flow, Loop
from cnnspec.emit.numbers import pick
from cnnspec.emit.render import Value, used_names
from cnnspec.emit.site import Inexpressible, Instance, Site, Step
from cnnspec.emit.statements import Assign, For, If, Statement
from cnnspec.emit.target import Target
from cnnspec.expressions import Expr, Literal
from cnnspec.spec import (
    INPUT,
    Body,
    Entry,
    Head,
    InputDefinition,
    Operation,
    Parallel,
    Reference,
    Residual,
    Use,
    walk,
)

if TYPE_CHECKING:
    from cnnspec.graph import Graph, Node, Occurrence
    from cnnspec.shapes import Shape
    from cnnspec.spec import Block

FLOW = "x"  # the variable of the main flow


class Walk(Target):
    """Writes one definition's forward.

    Args:
        known: the definitions of the blocks it uses.
        plain: entries whose activation is left to the loss: the model ends in logits.
        comments: write shapes behind statements.
    """

    def __init__(
        self,
        definition: Definition,
        graph: Graph,
        known: dict[Block, Definition],
        plain: frozenset[Entry] = frozenset(),
        comments: bool = False,
    ) -> None:
        self.definition = definition
        self.graph = graph
        self.known = known
        self.plain = plain
        self.comments = comments
        self.helpers: dict[str, str] = {}
        self.statements: list[Statement] = []
        self.around: list[Loop | Condition] = []
        self.variables: dict[object, str] = {}
        self.live = {entry.name for entry in walk(definition.body)}
        if definition.block is not None:
            self.live |= {*definition.block.args, *definition.block.let}
        self.probing = False
        self.commented: Shape | None = None
        self.read_loops: set[str] = set()
        self.channels_of: dict[Entry, list[Expr]] = {}

    def conditional(
        self,
        entry: Entry,
        condition: Value,
        flow: Flow,
        variable: str,
        kept: list[Occurrence],
    ) -> Flow:
        """An entry that some instances drop."""
        flow = self.close(flow, variable)
        if flow.code != variable:
            self.statements.append(Assign(variable, flow.code))
        inner = self.inside(Condition(condition))
        result = self.run_kept(entry, flow, variable, kept)
        self.close(result, variable, always=True)
        self.leave(inner, lambda body: If(self.in_forward(condition), body))
        return Flow(variable, flow.channels, None)

    # The walk.

    def occurrences(self, entry: Entry) -> list[Occurrence]:
        return self.graph.occurrences.get(entry, [])

    def instance(self, node: Node, occurrence: Occurrence) -> Instance:
        layer = node.layer
        assert layer is not None
        if node.entry in self.plain:
            layer = type(layer)({**layer.values, "activation": "none"})
        inputs = tuple([self.graph.shape(edge) for edge in node.inputs])
        return Instance(layer, inputs, node.outputs, occurrence.values)  # type: ignore[arg-type]

    def run_list(self, body: Body, flow: Flow, variable: str) -> Flow:
        for entry in body:
            flow = self.run_entry(entry, flow, variable)
        return flow

    def run_entry(self, entry: Entry, flow: Flow, variable: str) -> Flow:
        try:
            return self.run(entry, flow, variable)
        except Inexpressible as fault:
            if fault.entry is None:
                fault.entry = entry
            raise

    def pick(
        self,
        entry: Entry,
        occurrences: list[Occurrence],
        wanted: list[Any],
        found: list[Value],
    ) -> Value:
        """A value that is what is wanted in each occurrence (see `Site.number`)."""
        return pick(self, entry, occurrences, wanted, found)

    def run(self, entry: Entry, flow: Flow, variable: str) -> Flow:
        if entry.source is not None:
            self.close(flow, variable)
            flow = self.find(entry.source)
        occurrences = self.occurrences(entry)
        kept = [o for o in occurrences if o.kept]
        output = flow
        if not any(o.rounds != 0 for o in kept):
            kept = []  # repeated not once in any instance
        if kept and len(kept) == len(occurrences):
            output = self.run_kept(entry, flow, variable, kept)
        elif kept:
            assert entry.when is not None
            condition = self.definition.bound(entry.when)
            output = self.conditional(entry, condition, flow, variable, kept)
        if isinstance(entry, Head):
            return output
        if occurrences:
            candidates = output.channels + flow.channels
            if entry.repeat is not None and kept:
                candidates = self.after_repeat(entry, flow, kept) + candidates
                occurrences = [o for o in occurrences if _ends(o)]
            valid = channels.valid(self.graph, candidates, occurrences)
            output = output._replace(
                channels=valid, shape=self.common_shape(occurrences)
            )
        if entry.referenced:
            output = self.name(entry, output)
        return output

    def run_kept(
        self, entry: Entry, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        if entry.repeat is None:
            return self.run_once(entry, flow, variable, occurrences)
        if isinstance(entry, Operation | Use):
            flow = self.close(flow, variable)
            found = self.repeated(entry, occurrences, flow)
            if found is not None:
                return found
        return self.loop(entry, flow, variable, occurrences)

    def loop(
        self, entry: Entry, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        """A repeat as a `for` statement."""
        flow = self.close(flow, variable)
        if flow.code != variable:
            self.statements.append(Assign(variable, flow.code))
        count = self.count(entry, occurrences)
        loop = Loop(self.loop_variable(), count)
        inner = self.inside(loop)
        self.read_loops.discard(loop.variable)
        rounds = [o for o in occurrences if o.rounds != 0]
        found = self.round_channels(entry, flow, rounds)
        found += channels.first_or_rest(flow.channels, found)
        start = Flow(variable, found)
        result = self.run_once(entry, start, variable, rounds)
        self.close(result, variable, always=True)
        self.leave(inner, lambda body: self.for_statement(entry, loop, body))
        return Flow(variable, result.channels)

    def for_statement(
        self, entry: Entry, loop: Loop, body: list[Statement]
    ) -> Statement:
        name = loop.variable if loop.variable in self.read_loops else "_"
        return For(name, f"range({one_line(self.in_forward(loop.count))})", body)

    def loop_variable(self) -> str:
        depth = sum(isinstance(context, Loop) for context in self.around)
        return "index" if depth == 0 else f"index{depth + 1}"

    def count(self, entry: Entry, occurrences: list[Occurrence]) -> Value:
        assert entry.repeat is not None
        value = self.definition.bound(entry.repeat)
        rounds = {o.rounds for o in occurrences}
        if len(rounds) == 1 and not used_names(value):
            return rounds.pop()
        return value

    def round_channels(
        self, entry: Entry, flow: Flow, rounds: list[Occurrence]
    ) -> list[Expr]:
        """Candidates for what enters each round."""
        leaving = self.output_channels(entry, flow.channels)
        return channels.over_rounds(flow.channels, leaving)

    def after_repeat(
        self, entry: Entry, flow: Flow, occurrences: list[Occurrence]
    ) -> list[Expr]:
        count = self.count(entry, occurrences)
        leaving = self.output_channels(entry, flow.channels)
        times = count if isinstance(count, Expr) else Literal(count)
        return channels.after_rounds(flow.channels, leaving, times)

    def output_channels(self, entry: Entry, entering: list[Expr]) -> list[Expr]:
        if isinstance(entry, Operation):
            return channels.of_operation(self.definition, entry, [entering])
        if isinstance(entry, Use):
            callee = self.known[entry.block]
            return channels.of_use(self.definition, callee, entry, entering)
        return list(entering)

    def run_once(
        self, entry: Entry, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        if isinstance(entry, Operation):
            return self.operation(entry, flow, variable, occurrences)
        if isinstance(entry, Use):
            flow = self.close(flow, variable)
            step = self.use(entry, occurrences, flow)
            output = self.output_channels(entry, flow.channels)
            return Flow(step.apply(flow.code), output, is_open=True)
        if isinstance(entry, Residual):
            return containers.residual(self, entry, flow, variable, occurrences)
        if isinstance(entry, Parallel):
            return containers.parallel(self, entry, flow, variable, occurrences)
        assert isinstance(entry, Head)
        return containers.head(self, entry, flow, variable)

    def operation(
        self, entry: Operation, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        others = [self.find(reference) for reference in entry.edges]
        if entry in self.plain and entry.op.op in ("softmax", "sigmoid"):
            return flow
        inputs = [flow, *others]
        output = channels.of_operation(
            self.definition, entry, [f.channels for f in inputs]
        )
        result = self.layer(entry, entry.op.follows, inputs, variable, occurrences)
        return result._replace(channels=output)

    def layer(
        self,
        entry: Entry,
        follows: bool,
        inputs: list[Flow],
        variable: str,
        occurrences: list[Occurrence],
    ) -> Flow:
        """The calls of one layer on its inputs; the result is open."""
        nodes = [(o.node, o) for o in occurrences if o.node is not None]
        candidates = inputs[0].channels
        site = Site(self, entry, nodes, candidates)
        steps = self.steps(site.instances[0].layer, site)
        flow = inputs[0]
        if follows and len(inputs) == 1:
            if not self.fuses:  # the shape stands behind the last of what follows
                flow = self.close(flow._replace(shape=None), variable)
        else:
            flow = self.close(flow, variable)
        rest = [f.code for f in inputs[1:]]
        for step in steps:
            flow = self.apply(step, flow, rest, variable)
            rest = []
        return flow

    def apply(self, step: Step, flow: Flow, rest: list[Code], variable: str) -> Flow:
        if step.guard is not None:
            flow = self.close(flow, variable)
            if flow.code != variable:
                self.statements.append(Assign(variable, flow.code))
            body: list[Statement] = [Assign(variable, step.apply(flow.code, *rest))]
            self.statements.append(If(self.in_forward(step.guard), body))
            return flow._replace(code=variable, is_open=False)
        if flow.is_open:
            code = step.apply(flow.code, *rest)
            if self.fuses and len(one_line(code)) <= self.room(variable):
                return flow._replace(code=code)
            flow = self.close(flow._replace(shape=None), variable)
        return flow._replace(code=step.apply(flow.code, *rest), is_open=True)

    def room(self, variable: str) -> int:
        """Columns for an expression in a statement that stands here."""
        return WIDTH - self.indent() - max(len(variable) + 3, len("return "))

    def close(self, flow: Flow, variable: str, always: bool = False) -> Flow:
        """Puts an open expression into a variable; `always`: into this one."""
        if flow.is_open or (always and flow.code != variable):
            self.statements.append(
                Assign(variable, flow.code, self.comment(flow.shape))
            )
            return flow._replace(code=variable, is_open=False)
        return flow

    def comment(self, shape: Shape | None) -> str:
        if not self.comments or shape is None or shape == self.commented or self.around:
            return ""
        self.commented = shape
        return f"# {self.shape_comment(shape)}"

    def common_shape(self, occurrences: list[Occurrence]) -> Shape | None:
        shapes = {self.graph.shape(o.output) for o in occurrences}
        return shapes.pop() if len(shapes) == 1 else None

    def name(self, entry: Entry, flow: Flow) -> Flow:
        """An output that is read by name gets a variable of that name."""
        flow = self.close(flow, entry.name, always=True)
        self.variables[entry] = entry.name
        self.channels_of[entry] = flow.channels
        return flow

    def find(self, reference: Reference) -> Flow:
        target = reference.target
        assert target is not None
        variable = self.variables[INPUT if target is INPUT else target]
        found = self.named_channels(target)
        return Flow(variable, found)

    def named_channels(self, target: Entry | InputDefinition) -> list[Expr]:
        if isinstance(target, InputDefinition):
            if self.definition.block is not None:
                return [channels.IN_CHANNELS]
            shape = target.shape or self.graph.shape(
                next(iter(self.graph.inputs.values()))
            )
            known = shape.channels if shape else None
            return [Literal(known)] if known is not None else []
        return self.channels_of.get(target, [])

    def allocate(self, base: str) -> str:
        """A variable that nothing else in sight uses."""
        name, number = base, 2
        while name in self.live:
            name, number = f"{base}_{number}", number + 1
        self.live.add(name)
        return name

    def inside(self, context: Loop | Condition) -> list[Statement]:
        """Begins a nested block of statements; returns the outer one for `leave`."""
        outer, self.statements = self.statements, []
        self.around.append(context)
        return outer

    def leave(self, outer: list[Statement], wrap: Any) -> None:
        body, self.statements = self.statements, outer
        self.around.pop()
        if body:
            self.statements.append(wrap(body))

    def indexes(self) -> str:
        """`.{index}` for each loop around, as f-strings of names take it."""
        loops = self.loop_variables()
        self.read_loops.update(loops)
        return "".join(f".{{{name}}}" for name in loops)

    def loop_variables(self) -> list[str]:
        return [c.variable for c in self.around if isinstance(c, Loop)]

    def spelling(self, value: Value) -> dict[str, str]:
        """How `index` is written here: the innermost loop's variable."""
        loops = self.loop_variables()
        if not loops or "index" not in used_names(value):
            return {}
        self.read_loops.add(loops[-1])
        return {"index": loops[-1]}


def _ends(occurrence: Occurrence) -> bool:
    """Whether it is the last round of its repeat."""
    rounds = occurrence.rounds
    return not rounds or occurrence.values["index"] == rounds - 1
