"""A definition enters; the constructor and the forward of its nn.Module leave."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.emit import statements
from cnnspec.emit.call import (
    Argument,
    Call,
    Code,
    Comprehension,
    Conditional,
    For,
    Generator,
    Keyword,
    Star,
    one_line,
)
from cnnspec.emit.flow import Condition, Flow, Loop
from cnnspec.emit.numbers import NoValue, carried, check_sizes
from cnnspec.emit.quote import literal
from cnnspec.emit.render import Value, render, used_names
from cnnspec.emit.site import Site, Step
from cnnspec.emit.statements import INDENT, Assign, If, Statement
from cnnspec.emit.walk import Walk
from cnnspec.expressions import Binary, Literal, Name
from cnnspec.names import camel
from cnnspec.spec import Entry, Operation, Use, entries_of

if TYPE_CHECKING:
    from cnnspec.graph import Occurrence
    from cnnspec.initializers import Initializer
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape

IDENTITY = "nn.Identity()"


class Registration(NamedTuple):
    """A module of the constructor, and the contexts that it stands in."""

    entry: Entry
    code: Code
    around: tuple[Loop | Condition, ...]
    otherwise_identity: Value = None  # the condition under which it is no nn.Identity()


class TorchWalk(Walk):
    """Modules are attributes by their entries' names; the forward calls them."""

    target = "PyTorch"
    fuses = True
    shared_modules = True
    train_condition = "self.training"

    def __init__(self, *args: Any, watches: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.watches = watches
        self.registrations: list[Registration] = []
        self.stored: dict[str, None] = {}  # names the forward reads as `self.name`
        self.read: set[str] = set()  # names the constructor reads
        self.modules: set[str] = set()  # such as nn.Conv2d, for initialisation
        self.iterated: Entry | None = None  # whose rounds a `for` takes from its list

    def indent(self) -> int:
        return 2 * INDENT + INDENT * len(self.around)

    def steps(self, layer: Layer, site: Site) -> list[Step]:
        return layer.pytorch(site)

    def in_forward(self, value: Value) -> Code:
        spelling = self.spelling(value)
        for name in sorted(used_names(value) - {"index", self.train_condition}):
            spelling[name] = f"self.{name}"
            self.stored[name] = None
        return render(value, spelling)

    def in_constructor(self, value: Value) -> Code:
        self.read |= used_names(value)
        loops = self.loop_variables()
        return render(value, {"index": loops[-1]} if loops else {})

    def register(self, entry: Entry, code: Code) -> str:
        if self.reusing:
            return self.made[entry, ""]
        called = self.add(entry, code)
        if entry.reuses:
            self.made[entry, ""] = called
        return called

    def add(self, entry: Entry, code: Code) -> str:
        if isinstance(code, Call):
            made = [code, *(arg for arg in code.args if isinstance(arg, Call))]
            self.modules |= {call.func for call in made if isinstance(call.func, str)}
        self.registrations.append(Registration(entry, code, tuple(self.around)))
        loops = self.loop_variables()
        if entry is self.iterated:
            return entry.name
        self.read_loops.update(loops)
        return f"self.{entry.name}" + "".join(f"[{name}]" for name in loops)

    def initialised(self, entry: Entry, function: str) -> tuple[str, tuple[Any, ...]]:
        return function, ()

    def drawn(self, entry: Entry, init: Initializer) -> Call:
        raise AssertionError("PyTorch's weights begin in `init_weights`")

    def layer_name(self, entry: Entry, suffix: str) -> str:
        raise AssertionError("PyTorch's modules are named by attributes")

    def watched(self, entry: Entry, flow: Flow, part: str = "") -> Flow:
        if not self.watches:
            return flow
        name = literal(self.aliases.get(entry, entry.name) + part)
        code = Call("_watch", ("self", name, flow.code))
        return flow._replace(code=code, is_open=True)

    def shape_comment(self, shape: Shape) -> str:
        return f"(N, {', '.join(map(str, shape.sizes))})"

    def use(self, entry: Use, occurrences: list[Occurrence], flow: Flow) -> Step:
        if self.reusing:
            check_sizes(self, entry)
            called = self.made[entry, ""]
        else:
            code = self.instance_code(entry, occurrences, flow)
            called = self.register(entry, code)
        return Step(lambda x: Call(called, (x,)), is_module=True)

    def instance_code(
        self, entry: Use, occurrences: list[Occurrence], flow: Flow
    ) -> Call:
        """`BasicBlock(64, 128, stride=2)`."""
        arguments: list[Argument] = []
        callee = self.known[entry.block]
        if callee.reads_channels:
            arguments.append(
                self.in_constructor(self.channels_in(entry, occurrences, flow))
            )
        for argument in entry.block.parameters:
            given = entry.given.get(argument.name)
            if given is not None:
                code = self.in_constructor(self.definition.bound(given))
                arguments.append(
                    code if argument.default is None else Keyword(argument.name, code)
                )
        for name, value in carried(self, entry, occurrences):
            arguments.append(Keyword(name, self.in_constructor(value)))
        return Call(camel(entry.block.name), tuple(arguments))

    def channels_in(
        self, entry: Use, occurrences: list[Occurrence], flow: Flow
    ) -> Value:
        wanted = [
            o.child.values["in_channels"] for o in occurrences if o.child is not None
        ]
        return self.pick(entry, occurrences, wanted, list(flow.channels))

    def repeated(
        self, entry: Entry, occurrences: list[Occurrence], flow: Flow
    ) -> Flow | None:
        """`nn.Sequential` of the rounds, where a round is one module of one input."""
        if isinstance(entry, Operation) and entry.edges:
            return None
        rounds = [o for o in occurrences if o.rounds != 0]
        loop = Loop(self.loop_variable(), self.count(entry, occurrences))
        entering = flow
        items: tuple[Argument, ...] | None
        flow = flow._replace(channels=self.round_channels(entry, flow, rounds))
        try:
            whole = self.round_code(entry, rounds, flow, loop)
        except NoValue:
            items = self.first_and_rest(entry, rounds, entering, flow, loop)
            if items is None:
                return None
        else:
            if whole is None:
                return None
            every = f"range({self.count_text(loop.count)})"
            items = (self.rounds_of(whole, loop, every),)
            if _reads_index(items):  # a first and equal others are easier to read
                apart = self.first_and_rest(entry, rounds, entering, flow, loop)
                items = apart if apart and not _reads_index(apart) else items
        called = self.register(entry, Call("nn.Sequential", items))
        output = self.output_channels(entry, flow.channels)
        return Flow(Call(called, (flow.code,)), output, is_open=True)

    def loop(
        self, entry: Entry, flow: Flow, variable: str, occurrences: list[Occurrence]
    ) -> Flow:
        """A repeated operation is read as `for conv in self.conv`, unless `index` is."""
        flow = self.close(flow, variable)
        if not isinstance(entry, Operation):
            return super().loop(entry, flow, variable, occurrences)
        made, undo = len(self.registrations), self.snapshot()
        self.iterated = entry
        result = super().loop(entry, flow, variable, occurrences)
        self.iterated = None
        plain = self.loop_variable() not in self.read_loops
        if plain and len(self.registrations) == made + 1:
            return result
        undo()
        return super().loop(entry, flow, variable, occurrences)

    def for_statement(
        self, entry: Entry, loop: Loop, body: list[Statement]
    ) -> Statement:
        if entry is not self.iterated or loop.variable in self.read_loops:
            return super().for_statement(entry, loop, body)
        outer = "".join(f"[{name}]" for name in self.loop_variables())
        return statements.For(entry.name, f"self.{entry.name}{outer}", body)

    def count_text(self, count: Value) -> str:
        return one_line(self.in_constructor(count))

    def less_one(self, count: Value) -> Value:
        if isinstance(count, int):
            return count - 1
        return self.definition.simplified(Binary("-", count, Literal(1)))

    def rounds_of(self, code: Code, loop: Loop, values: str) -> Star:
        return Star(Comprehension(code, (For(loop_target(code, loop), values),)))

    def first_and_rest(
        self,
        entry: Entry,
        rounds: list[Occurrence],
        entering: Flow,
        flow: Flow,
        loop: Loop,
    ) -> tuple[Argument, ...] | None:
        """The first round enters with other channels than the rest."""
        before = [o for o in rounds if o.values["index"] == 0]
        after = [o for o in rounds if o.values["index"] > 0]
        try:
            if any(o.rounds == 0 for o in self.occurrences(entry)):
                raise NoValue  # in some instances there is no first round
            rest = self.round_code(entry, after, flow, loop)
        except NoValue:
            every = self.round_code(entry, rounds, flow, loop, carry=True)
            if every is None:
                return None
            count = self.count_text(loop.count)
            return (self.rounds_of(every, loop, f"range({count})"),)
        self.definition.constants["index"] = 0
        try:
            first = self.round_code(entry, before, entering, loop, carry=True)
        finally:
            del self.definition.constants["index"]
        if first is None or rest is None:
            return None
        if loop_target(rest, loop) != "_":
            values = f"range(1, {self.count_text(loop.count)})"
        else:
            values = f"range({self.count_text(self.less_one(loop.count))})"
        return (first, self.rounds_of(rest, loop, values))

    def round_code(
        self,
        entry: Entry,
        rounds: list[Occurrence],
        flow: Flow,
        loop: Loop,
        carry: bool = False,
    ) -> Code | None:
        """One round's module; None where a round is more than one module. Raises NoValue."""
        if not rounds:
            return None
        kept, around = list(self.registrations), list(self.around)
        probing, self.probing = self.probing, not carry
        self.around.append(loop)
        try:
            if isinstance(entry, Use):
                return self.instance_code(entry, rounds, flow)
            assert isinstance(entry, Operation)
            nodes = [(o.node, o) for o in rounds if o.node is not None]
            site = Site(self, entry, nodes, flow.channels)
            steps = self.steps(site.instances[0].layer, site)
            made = self.registrations[len(kept) :]
            if len(steps) != 1 or not steps[0].is_module:
                return None
            return made[0].code
        finally:
            self.probing = probing
            self.registrations[:], self.around[:] = kept, around

    def conditional(
        self,
        entry: Entry,
        condition: Value,
        flow: Flow,
        variable: str,
        kept: list[Occurrence],
    ) -> Flow:
        """A module that some instances drop is an nn.Identity() in those."""
        if isinstance(entry, Operation | Use) and not self.loop_variables():
            before, written = list(self.registrations), list(self.statements)
            around = list(self.around)
            entering = self.close(flow, variable)
            closed = list(self.statements)
            result = self.run_kept(entry, entering, variable, kept)
            made = self.registrations[len(before) :]
            called = Call(f"self.{entry.name}", (entering.code,))
            alone = result.code == called and self.statements == closed
            if len(made) == 1 and alone:
                self.read |= used_names(condition)
                self.registrations[-1] = made[0]._replace(otherwise_identity=condition)
                return result._replace(shape=None)
            self.registrations[:], self.around[:] = before, around
            self.statements[:] = written
        return super().conditional(entry, condition, flow, variable, kept)

    def constructor(self) -> list[Statement]:
        """The modules in the order of the definition, conditions as `if`."""
        order = {
            entry: number
            for number, entry in enumerate(entries_of(self.definition.body))
        }
        made = sorted(self.registrations, key=lambda r: order[r.entry])
        statements: list[Statement] = []
        for registration in made:
            _place(statements, registration, self)
        return statements


def _place(statements: list[Statement], made: Registration, torch: TorchWalk) -> None:
    """Adds a module's statements; equal neighbouring conditions share an `if`."""
    code, around = made.code, list(made.around)
    while any(isinstance(context, Loop) for context in around):
        context = around.pop()
        if isinstance(context, Loop):
            torch.read |= used_names(context.count)
            loops = [c.variable for c in around if isinstance(c, Loop)]
            spelling = {"index": loops[-1]} if loops else {}
            values = f"range({one_line(render(context.count, spelling))})"
            clause = For(loop_target(code, context), values)
            code = Call("nn.ModuleList", (Generator(code, (clause,)),))
        else:
            torch.read |= used_names(context.value)
            loops = [c.variable for c in around if isinstance(c, Loop)]
            spelling = {"index": loops[-1]} if loops else {}
            code = Conditional(code, render(context.value, spelling), IDENTITY)
    body = statements
    for context in around:
        assert isinstance(context, Condition)
        torch.read |= used_names(context.value) - {"self.training"}
        if context.value == Name(torch.train_condition):
            continue  # a training head's modules always exist: its weights are saved
        condition = render(context.value, {})
        last = body[-1] if body else None
        if not (isinstance(last, If) and last.condition == condition):
            last = If(condition, [])
            body.append(last)
        body = last.body
    target = f"self.{made.entry.name}"
    if made.otherwise_identity is not None:
        body.append(Assign(target, IDENTITY))
        condition = render(made.otherwise_identity, {})
        body.append(If(condition, [Assign(target, code)]))
    else:
        body.append(Assign(target, code))


def loop_target(code: Code, loop: Loop) -> str:
    """The variable of a comprehension, `_` where its element does not read it."""
    is_read = re.search(rf"\b{loop.variable}\b", one_line(code))
    return loop.variable if is_read else "_"


def _reads_index(items: tuple[Argument, ...]) -> bool:
    """Whether the last of the modules is made in terms of its round."""
    last = items[-1]
    assert isinstance(last, Star) and isinstance(last.value, Comprehension)
    return last.value.clauses[0].target != "_"
