"""What a spec says, resolved but not expanded: blocks are definitions, expressions stand unevaluated.

Everything here is made by `resolve` and not changed after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnspec.initializers import Initializer
    from cnnspec.layers.layer import Layer
    from cnnspec.shapes import Shape
    from cnnspec.source import Span
    from cnnspec.values import Value
    from cnnspec.yamltree import Mapping, Node


class Reference:
    """A name of an earlier entry, as in `from: NAME`; `target` is None where it is unknown.

    `input` (the enclosing block's or model's input) has the target INPUT; an input of a model
    with several has its InputDefinition.
    """

    __slots__ = ("name", "span", "target")

    def __init__(self, name: str, span: Span) -> None:
        self.name = name
        self.span = span
        self.target: Entry | Part | InputDefinition | None = None


class Entry:
    """One item of a list of layers: the keys that all kinds of entries share.

    `name` is unique in its definition; it is a path's segment and an attribute in generated
    code. `node` is the whole item.
    """

    __slots__ = (
        "init",
        "key",
        "key_span",
        "name",
        "named",
        "node",
        "referenced",
        "repeat",
        "reuses",
        "source",
        "trainable",
        "when",
    )

    def __init__(self, key: str, key_span: Span, node: Node) -> None:
        self.key = key
        self.key_span = key_span
        self.node = node
        self.name = ""
        self.named = False  # by the author, not by us
        self.source: Reference | None = None
        self.when: Value | None = None
        self.repeat: Value | None = None
        self.trainable: Value | None = None
        self.init: Initializer | None = None
        self.referenced = False  # read by name somewhere
        self.reuses: tuple[Reuse, ...] = ()  # where it is applied again

    def lists(self) -> tuple[Body, ...]:
        """The lists of entries it holds."""
        return ()

    def replace_lists(self, change: Callable[[Body], Body]) -> None:
        """Puts `change(list)` in the place of each list it holds."""


class Part(NamedTuple):
    """An output of an operation that has several, with a name of its own."""

    name: str
    span: Span
    port: int


class Operation(Entry):
    """A layer. `layer` is ready where no field holds an expression."""

    __slots__ = ("edges", "given", "layer", "op", "parts")

    def __init__(self, key: str, key_span: Span, node: Node, op: type[Layer]) -> None:
        super().__init__(key, key_span, node)
        self.op = op
        self.given: dict[str, Value] = {}
        self.edges: tuple[Reference, ...] = ()
        self.parts: tuple[Part, ...] = ()
        self.layer: Layer | None = None


class Broken(Entry):
    """An entry that could not be read: its output is unknown, and what reads it stays silent."""

    __slots__ = ()


class Use(Entry):
    """A block in use; `given` are its arguments."""

    __slots__ = ("block", "given")

    def __init__(self, key: str, key_span: Span, node: Node, block: Block) -> None:
        super().__init__(key, key_span, node)
        self.block = block
        self.given: dict[str, Value] = {}


class Reuse(Entry):
    """An earlier layer or block once more, with the same weights."""

    __slots__ = ("target",)

    def __init__(self, key: str, key_span: Span, node: Node, target: Reference) -> None:
        super().__init__(key, key_span, node)
        self.target = target

    @property
    def reused(self) -> Operation | Use:
        """The layer or block, once `references` has found it."""
        found = self.target.target
        assert isinstance(found, Operation | Use)
        return found


class Residual(Entry):
    __slots__ = ("body", "connect", "shortcut")

    def __init__(self, key: str, key_span: Span, node: Node) -> None:
        super().__init__(key, key_span, node)
        self.body: Body = ()
        self.shortcut: Body = ()
        self.connect: Value | None = None

    def lists(self) -> tuple[Body, ...]:
        return (self.body, self.shortcut)

    def replace_lists(self, change: Callable[[Body], Body]) -> None:
        self.body, self.shortcut = change(self.body), change(self.shortcut)


class Parallel(Entry):
    __slots__ = ("branches", "merge", "split")

    def __init__(self, key: str, key_span: Span, node: Node) -> None:
        super().__init__(key, key_span, node)
        self.branches: tuple[Body, ...] = ()
        self.merge = "concat"
        self.split = False

    def lists(self) -> tuple[Body, ...]:
        return self.branches

    def replace_lists(self, change: Callable[[Body], Body]) -> None:
        self.branches = tuple(map(change, self.branches))


class Head(Entry):
    __slots__ = ("layers", "loss_weight", "serve")

    def __init__(self, key: str, key_span: Span, node: Node) -> None:
        super().__init__(key, key_span, node)
        self.layers: Body = ()
        self.loss_weight = 1.0
        self.serve = True

    def lists(self) -> tuple[Body, ...]:
        return (self.layers,)

    def replace_lists(self, change: Callable[[Body], Body]) -> None:
        self.layers = change(self.layers)


Body: TypeAlias = tuple[Entry, ...]


class Argument(NamedTuple):
    """A block's argument; `default` is None where it must be given."""

    name: str
    span: Span
    default: Value | None


class Variables(dict[str, Any]):
    """Constants of the build by name.

    `nodes` are the places of the values, without those that the command line replaced. What
    uses a name in `broken` stays silent: its value was refused.
    """

    __slots__ = ("broken", "nodes")

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.nodes: dict[str, Node] = {}


class Block:
    """A definition: a list of layers with arguments.

    `broken` are arguments and local values whose declaration was refused.
    """

    __slots__ = ("args", "broken", "layers", "let", "name", "node", "span")

    def __init__(self, name: str, span: Span, node: Mapping) -> None:
        self.name = name
        self.span = span
        self.node = node
        self.args: dict[str, Argument] = {}
        self.let: dict[str, Value] = {}
        self.broken: set[str] = set()
        self.layers: Body = ()

    @property
    def parameters(self) -> list[Argument]:
        """Its arguments as generated code takes them: first those that must be given."""
        return sorted(self.args.values(), key=lambda a: a.default is not None)


class InputDefinition(NamedTuple):
    name: str
    span: Span
    shape: Shape | None


INPUT = InputDefinition("input", None, None)  # type: ignore[arg-type]


class Spec:
    """A whole spec. `data` and `train` are the sections' nodes: see `training`."""

    __slots__ = (
        "blocks",
        "data",
        "description",
        "inputs",
        "layers",
        "name",
        "outputs",
        "root",
        "train",
        "variables",
    )

    def __init__(self, root: Mapping) -> None:
        self.root = root
        self.name = ""
        self.description = ""
        self.variables = Variables()
        self.inputs: tuple[InputDefinition, ...] = ()
        self.blocks: dict[str, Block] = {}
        self.layers: Body = ()
        self.outputs: tuple[Reference, ...] | None = None
        self.data: Mapping | None = None
        self.train: Mapping | None = None


def entries_of(body: Body) -> list[Entry]:
    """Every entry of a definition in the order of the text, nested lists included."""
    found: list[Entry] = []
    for entry in body:
        found.append(entry)
        for inner in entry.lists():
            found += entries_of(inner)
    return found
