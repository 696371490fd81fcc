"""What a picture of a network is made of: boxes, groups of them, and what joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cnnspec.spec import Entry

FLOW, SIDE, WEIGHTS = "flow", "side", "weights"
TIMES = "\N{MULTIPLICATION SIGN}"
BLOCK, HEAD, REPEAT = "block", "head", "repeat"


class Link(NamedTuple):
    """What an item reads, or takes its weights from, beside the flow that enters it."""

    source: Item
    shape: str  # empty where no numbers go along it
    kind: str  # FLOW, SIDE or WEIGHTS


class Item:
    """One thing in a sequence.

    `flow` is the item whose output enters it, None for what begins a sequence. `after` are
    items of its own sequence that links inside it read. `signature` is equal for items that
    look alike, `skeleton` for those that hold the same operations with whatever sizes.
    """

    __slots__ = (
        "after",
        "count",
        "entry",
        "flow",
        "gives",
        "links",
        "reads",
        "sequence",
        "signature",
        "skeleton",
    )

    def __init__(self, sequence: Sequence, flow: Item | None, reads: str) -> None:
        self.sequence = sequence
        self.flow = flow
        self.reads = reads
        self.gives = reads
        self.links: list[Link] = []
        self.after: list[Item] = []
        self.entry: Entry | None = None
        self.count = 1
        self.signature = -1
        self.skeleton = -1

    @property
    def anchor(self) -> Item:
        """The box that its output leaves from."""
        return self


class Box(Item):
    """A layer, with those that follow it number by number; or an end of the network.

    `kind` says how it looks: kernel, window, merge, plain, input, output; an `entry` is the
    point where a sequence begins.
    """

    __slots__ = ("dashed", "kind", "note", "rows")

    def __init__(
        self, sequence: Sequence, flow: Item | None, reads: str, kind: str
    ) -> None:
        super().__init__(sequence, flow, reads)
        self.kind = kind
        self.rows: list[str] = []
        self.note = ""
        self.dashed = False


class Group(Item):
    """A block in use, a head, or a repeated container.

    Closed, it shows `rows` and looks as `look` says. `varies`: its rounds differ in shapes.
    """

    __slots__ = ("body", "dashed", "kind", "look", "name", "open", "rows", "varies")

    def __init__(
        self, sequence: Sequence, flow: Item | None, reads: str, kind: str, name: str
    ) -> None:
        super().__init__(sequence, flow, reads)
        self.kind = kind
        self.name = name
        self.body = Sequence(reads)
        self.rows: list[str] = []
        self.open = True
        self.look = "closed"
        self.varies = False
        self.dashed = False

    @property
    def title(self) -> str:
        if self.count == 1:
            return self.name
        first = ", the first drawn" if self.varies and self.open else ""
        return f"{self.name} {TIMES}{self.count}{first}"


class Fork(Item):
    """Lists side by side on one input, and the box that merges them: a residual or a parallel.

    A residual's lists are its body and its shortcut.
    """

    __slots__ = ("lists", "merge", "residual", "split")

    def __init__(
        self, sequence: Sequence, flow: Item | None, reads: str, residual: bool
    ) -> None:
        super().__init__(sequence, flow, reads)
        self.residual = residual
        self.lists: list[Sequence] = []
        self.split: Box | None = None
        self.merge = Box(sequence, self, "", "merge")

    @property
    def anchor(self) -> Item:
        return self.merge


class Sequence:
    """Items in the order in which they run; `last` is the one whose output leaves it."""

    __slots__ = ("entry", "items", "last")

    def __init__(self, reads: str) -> None:
        self.entry = Box(self, None, reads, "entry")
        self.items: list[Item] = []
        self.last: Item = self.entry


class Picture:
    """A network's sequence and what stands above it."""

    __slots__ = ("body", "description", "figures", "name")

    def __init__(
        self, name: str, description: str, figures: str, body: Sequence
    ) -> None:
        self.name = name
        self.description = description
        self.figures = figures
        self.body = body
