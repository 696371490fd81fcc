"""Statements of a forward in the making: variables, loops and conditions around, comments."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cnnspec.emit.call import WIDTH, Code, one_line
from cnnspec.emit.definitions import Definition
from cnnspec.emit.flow import Condition, Flow, Loop
from cnnspec.emit.helpers import Helper, private, unite
from cnnspec.emit.quote import literal, rows
from cnnspec.emit.render import Value, used_names
from cnnspec.emit.site import Step
from cnnspec.emit.statements import Assign, If, Statement
from cnnspec.emit.target import Target
from cnnspec.expressions import Expr
from cnnspec.spec import Entry, Operation, Part, entries_of

if TYPE_CHECKING:
    from cnnspec.graph import Graph, Occurrence
    from cnnspec.shapes import Shape
    from cnnspec.spec import Block


class Writing(Target):
    """What is written of one definition's forward so far, and the names in it.

    Args:
        known: the definitions of the blocks it uses.
        plain: entries whose activation is left to the loss: the model ends in logits.
        comments: write shapes behind statements.
        constants: lines by name, of all definitions of the file.
    """

    def __init__(
        self,
        definition: Definition,
        graph: Graph,
        known: dict[Block, Definition],
        plain: frozenset[Entry] = frozenset(),
        comments: bool = False,
        outside: frozenset[str] = frozenset(),
        constants: dict[str, list[str]] | None = None,
    ) -> None:
        self.definition = definition
        self.graph = graph
        self.known = known
        self.plain = plain
        self.comments = comments
        self.constants = {} if constants is None else constants
        self.kernels_apart: dict[Entry, str] = {}  # see Site
        self.helpers: dict[str, Helper] = {}
        self.helper_entries: dict[tuple[str, str], str] = {}
        self.statements: list[Statement] = []
        self.around: list[Loop | Condition] = []
        self.variables: dict[object, str] = {}
        self.outside = outside
        entries = entries_of(definition.body)
        parts = {p.name for e in entries if isinstance(e, Operation) for p in e.parts}
        self.live = {entry.name for entry in entries} | parts | outside
        if definition.block is not None:
            self.live |= {*definition.block.args, *definition.block.let}
        else:
            self.live |= set(graph.inputs)
        self.given = frozenset(self.live)
        self.probing = False
        self.rehearsing = False
        self.rehearsed: dict[tuple[Any, ...], list[Expr]] = {}
        self.commented: Shape | None = None
        self.read_loops: set[str] = set()
        self.made: dict[tuple[Entry, str], str] = {}  # how a reuse calls it, by part
        self.reusing = False
        self.aliases: dict[Entry, str] = {}  # names of what is written once more
        self.functions: set[str] = set()  # applied to tensors by `Site.call`
        self.channels_of: dict[Entry | Part, list[Expr]] = {}

    @cached_property
    def given_fields(self) -> frozenset[tuple[str, str]]:
        """Operations of the network with the fields that some entry of theirs gives."""
        return frozenset(
            (node.layer.op, field)
            for node in self.graph.layers
            if node.layer is not None
            for field in getattr(node.entry, "given", ())
        )

    def snapshot(self) -> Callable[[], None]:
        """Returns what puts everything written back to where it was."""
        kept = {
            name: (value, value.copy())
            for name, value in vars(self).items()
            if isinstance(value, list | set | dict) and name != "rehearsed"
        }
        commented = self.commented

        def undo() -> None:
            for name, (value, copy) in kept.items():
                value.clear()
                value.extend(copy) if isinstance(value, list) else value.update(copy)
                setattr(self, name, value)
            self.commented = commented

        return undo

    def add_helper(self, entry: Entry, name: str, source: str) -> None:
        """See `Site.helper`."""
        unite(self.helpers, {name: Helper(private(name, source), entry)})

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

    def local(self, name: str) -> str:
        """A variable for a layer or an input: its own name, unless a function has it."""
        return name if name not in self.outside else self.allocate(f"{name}_out")

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

    def shared(self, entry: Entry, suffix: str, code: Code) -> Code:
        """What makes a layer; a variable that holds it where it is reused."""
        if not (self.reusing or self.shares_weights(entry)):
            return code
        if not self.reusing:
            name = self.allocate(f"{entry.name}_{suffix or 'layer'}")
            self.statements.append(Assign(name, code))
            self.made[entry, suffix] = name
        return self.made[entry, suffix]

    def given_numbers(self, entry: Entry, numbers: Any) -> Code:
        """A kernel's numbers: a constant of the file, where they are not one number."""
        if not isinstance(numbers, tuple):
            number: Code = literal(numbers)
            return number
        takes_rows = isinstance(entry, Operation) and entry.op.takes_rows
        return self.constant(entry, "centres" if takes_rows else "kernel", numbers)

    def kernel_axes(self, entry: Entry) -> int:
        """Axes of a layer's kernel, as PyTorch has it."""
        found = self.graph.occurrences[entry]
        node = next(o.node for o in found if o.node is not None)
        assert node.layer is not None
        return len(node.layer.weights(self.graph.shapes_in(node))[0].shape)

    def constant(self, entry: Entry, suffix: str, numbers: Any) -> str:
        """The name of a constant of the file with these numbers, a row in a line."""
        block = self.definition.block
        base = (
            f"{entry.name}_{suffix}"
            if block is None
            else (f"{block.name}_{entry.name}_{suffix}")
        )
        name, number = base.upper(), 2
        while self.constants.setdefault(name, lines := rows(name, numbers)) != lines:
            name, number = f"{base}_{number}".upper(), number + 1
        return name

    def indexes(self) -> str:
        """`.{index}` for each loop around, as f-strings of names take it."""
        loops = self.loop_variables()
        self.read_loops.update(loops)
        return "".join(f".{{{name}}}" for name in loops)

    def loop_variable(self) -> str:
        depth = sum(isinstance(context, Loop) for context in self.around)
        name = "index" if depth == 0 else f"index{depth + 1}"
        while name in self.given:
            name += "_"
        return name

    def loop_variables(self) -> list[str]:
        return [c.variable for c in self.around if isinstance(c, Loop)]

    def spelling(self, value: Value) -> dict[str, str]:
        """How `index` is written here: the innermost loop's variable."""
        loops = self.loop_variables()
        if not loops or "index" not in used_names(value):
            return {}
        self.read_loops.add(loops[-1])
        return {"index": loops[-1]}
