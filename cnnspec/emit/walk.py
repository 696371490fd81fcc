"""A definition enters, the statements of its forward leave; targets say how calls are made.

The flow is a variable or an open expression. An elementwise layer is written around an open
expression (`F.relu(self.conv(x))`), anything else begins a statement of its own. A layer that
is read by name gets a variable of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnspec.emit import channels, containers
from cnnspec.emit.call import one_line
from cnnspec.emit.flow import Condition, Flow, Loop
from cnnspec.emit.numbers import pick
from cnnspec.emit.render import Value, holds, used_names
from cnnspec.emit.site import Inexpressible, Instance, Site
from cnnspec.emit.statements import Assign, For, If, Statement
from cnnspec.emit.writing import Writing
from cnnspec.expressions import Expr, Literal, names
from cnnspec.layers.activation import without_last_function
from cnnspec.spec import (
    Body,
    Entry,
    Head,
    InputDefinition,
    Operation,
    Parallel,
    Part,
    Reference,
    Residual,
    Reuse,
    Use,
)

if TYPE_CHECKING:
    from cnnspec.graph import Node, Occurrence

FLOW = "x"  # the variable of the main flow


class Walk(Writing):
    """Writes one definition's forward, entry by entry."""

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

    def occurrences(self, entry: Entry) -> list[Occurrence]:
        return self.graph.occurrences.get(entry, [])

    def instance(self, node: Node, occurrence: Occurrence) -> Instance:
        layer = node.layer
        assert layer is not None
        if node.entry in self.plain:
            layer = without_last_function(layer)
        inputs = self.graph.shapes_in(node)
        outputs = tuple([shape for shape in node.outputs if shape is not None])
        return Instance(layer, inputs, outputs, occurrence.values)

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
                # `index` is the rounds' own: it means nothing, or another, behind them.
                candidates = [e for e in candidates if "index" not in names(e)]
                occurrences = [o for o in occurrences if _ends(o)]
            valid = self.valid(candidates, occurrences)
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
        # `index` is the rounds' own: in what enters them it means that of a loop around.
        outside = [e for e in flow.channels if "index" not in names(e)]
        flow = flow._replace(channels=outside)
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
        start = Flow(variable, self.entering(found, rounds))
        result = self.run_once(entry, start, variable, rounds)
        self.close(result, variable, always=True)
        self.leave(inner, lambda body: self.for_statement(entry, loop, body))
        return Flow(variable, result.channels)

    def for_statement(
        self, entry: Entry, loop: Loop, body: list[Statement]
    ) -> Statement:
        name = loop.variable if loop.variable in self.read_loops else "_"
        return For(name, f"range({one_line(self.in_forward(loop.count))})", body)

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
        return channels.over_rounds(self.definition, flow.channels, leaving)

    def after_repeat(
        self, entry: Entry, flow: Flow, occurrences: list[Occurrence]
    ) -> list[Expr]:
        count = self.count(entry, occurrences)
        leaving = self.output_channels(entry, flow.channels)
        times = count if isinstance(count, Expr) else Literal(count)
        return channels.after_rounds(self.definition, flow.channels, leaving, times)

    def output_channels(self, entry: Entry, entering: list[Expr]) -> list[Expr]:
        if isinstance(entry, Operation):
            return channels.of_operation(self.definition, entry, [entering])
        if isinstance(entry, Use):
            callee = self.known[entry.block]
            return channels.of_use(self.definition, callee, entry, entering)
        return self.rehearse(entry, entering)

    def entering(self, found: list[Expr], rounds: list[Occurrence]) -> list[Expr]:
        """The candidates that hold for what enters each round; few, as loops may nest."""
        if not self.rehearsing:
            shapes = [self.graph.shape(o.inputs[0]) for o in rounds]
            wanted = [shape.channels if shape else None for shape in shapes]
            scopes = [o.values for o in rounds]
            found = [expr for expr in found if holds(expr, wanted, scopes)]
        return list(dict.fromkeys(found))[: channels.MOST]

    def rehearse(self, entry: Entry, entering: list[Expr]) -> list[Expr]:
        """What a container makes of channels: it is written once, and undone."""
        entering = entering[: channels.MOST]
        key = (entry, *entering)
        if key not in self.rehearsed:
            occurrences = [
                o for o in self.occurrences(entry) if o.kept and o.rounds != 0
            ]
            undo, before = self.snapshot(), self.rehearsing
            self.rehearsing = True
            result = self.run_once(entry, Flow(FLOW, entering), FLOW, occurrences)
            undo()
            self.rehearsing = before
            self.rehearsed[key] = result.channels
        return self.rehearsed[key]

    def valid(
        self, candidates: list[Expr], occurrences: list[Occurrence]
    ) -> list[Expr]:
        if self.rehearsing:  # of one round, so nothing can be checked against all
            return candidates[: channels.MOST]
        return channels.valid(self.definition, self.graph, candidates, occurrences)

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
        if isinstance(entry, Reuse):
            return self.reuse(entry, flow, variable, occurrences)
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
        if entry.parts:
            return self.parts(entry, result, flow)
        return result._replace(channels=output)

    def parts(self, entry: Operation, result: Flow, flow: Flow) -> Flow:
        """`left, right = …`: each part a variable of its name; the first one flows on."""
        names = [self.local(part.name) for part in entry.parts]
        self.statements.append(Assign(", ".join(names), result.code))
        sizes = channels.of_parts(self.definition, entry, flow.channels)
        for part, name, found in zip(entry.parts, names, sizes, strict=True):
            self.variables[part] = name
            self.channels_of[part] = found
        return Flow(names[0], sizes[0])

    def reuse(
        self, entry: Reuse, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        """The call of what the first one made; where it has no weights, maybe a new one."""
        target = entry.reused
        self.reusing = self.shared_modules or self.shares_weights(target)
        self.aliases[target] = entry.name
        if isinstance(target, Operation):
            output = channels.of_operation(self.definition, target, [flow.channels])
            follows = target.op.follows
            result = self.layer(target, follows, [flow], variable, occurrences)
            result = result._replace(channels=output)
        else:
            flow = self.close(flow, variable)
            output = self.output_channels(target, flow.channels)
            step = self.use(target, occurrences, flow)
            result = Flow(step.apply(flow.code), output, is_open=True)
        del self.aliases[target]
        self.reusing = False
        return result

    def shares_weights(self, target: Entry) -> bool:
        """Whether what is reused has weights."""
        return any(
            occurrence.node.reuses is not None
            if occurrence.node is not None
            else occurrence.child in self.graph.sharing
            for reuse in target.reuses
            for occurrence in self.occurrences(reuse)
        )

    def layer(
        self,
        entry: Entry,
        follows: bool,
        inputs: list[Flow],
        variable: str,
        occurrences: list[Occurrence],
    ) -> Flow:
        """The calls of one layer on its inputs; the result is open."""
        if self.shares_weights(entry):  # what is written once must be right each time
            firsts = self.occurrences(entry)
            again = [o for reuse in entry.reuses for o in self.occurrences(reuse)]
            occurrences = firsts + again
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
        return self.watched(entry, flow)

    def name(self, entry: Entry, flow: Flow) -> Flow:
        """An output that is read by name gets a variable of that name."""
        variable = self.local(entry.name)
        flow = self.close(flow, variable, always=True)
        self.variables[entry] = variable
        self.channels_of[entry] = flow.channels
        return flow

    def find(self, reference: Reference) -> Flow:
        target = reference.target
        assert target is not None
        variable = self.variables[target]
        found = self.named_channels(target)
        return Flow(variable, found)

    def named_channels(self, target: Entry | Part | InputDefinition) -> list[Expr]:
        if isinstance(target, InputDefinition):
            if self.definition.block is not None:
                return [channels.IN_CHANNELS]
            shape = target.shape or self.graph.shape(
                next(iter(self.graph.inputs.values()))
            )
            known = shape.channels if shape else None
            return [Literal(known)] if known is not None else []
        return self.channels_of.get(target, [])


def _ends(occurrence: Occurrence) -> bool:
    """Whether it is the last round of its repeat."""
    rounds = occurrence.rounds
    return not rounds or occurrence.values["index"] == rounds - 1
