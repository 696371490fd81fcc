"""Shapes on paper: plates that hold strokes and other plates, and what they become."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.drawing.picture import Item, Link

CHAR, SMALL = 7.0, 6.2  # width of a character of a box, and of a label
GAP = 32.0  # from a box to the next
ROW = 18.0
PAD = 12.0
TITLE = 22.0
LANE = 18.0

Point = tuple[float, float]


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2


class Frame(NamedTuple):
    """A rectangle, or a circle where it is round."""

    rect: Rect
    kind: str
    note: str = ""
    round: bool = False


class Words(NamedTuple):
    x: float
    y: float  # of the line's foot
    text: str
    kind: str
    anchor: str = "middle"  # start, middle, end
    upright: bool = False  # read from below to above


class Line(NamedTuple):
    points: tuple[Point, ...]
    kind: str  # flow, shortcut, side, weights
    arrow: bool = True


class Plate:
    """A piece of the picture, measured from where the flow enters it: (0, 0).

    `left` and `right` are its extents beside that point, `out` where the flow leaves. `lanes`
    are the places of upright lines for links, `starts` the items that begin a column with what an
    earlier one gives. `enters` is false where nothing reads what enters.
    """

    __slots__ = (
        "enters",
        "height",
        "inner",
        "item",
        "lanes",
        "left",
        "out",
        "right",
        "starts",
        "strokes",
    )

    def __init__(self, left: float, right: float, height: float) -> None:
        self.left = left
        self.right = right
        self.height = height
        self.out = 0.0
        self.enters = True
        self.starts: list[Item] = []
        self.item: tuple[Item, Rect] | None = None
        self.strokes: list[Frame | Words | Line] = []
        self.inner: list[tuple[float, float, Plate]] = []
        self.lanes: list[tuple[float, Link, Item]] = []

    def place(self, plate: Plate, x: float, y: float) -> None:
        self.inner.append((x, y, plate))


class Sheet:
    """Everything at its final place."""

    __slots__ = (
        "frames",
        "lanes",
        "lines",
        "outs",
        "rects",
        "spines",
        "starts",
        "tops",
        "words",
    )

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.words: list[Words] = []
        self.lines: list[Line] = []
        self.rects: dict[Item, Rect] = {}
        self.spines: dict[Item, float] = {}
        self.tops: dict[Item, float] = {}
        self.outs: dict[Item, float] = {}
        self.starts: list[Item] = []
        self.lanes: list[tuple[float, Link, Item]] = []

    def spread(self, plate: Plate, x: float, y: float) -> None:
        """Adds a plate whose flow enters at a point, and all that it holds."""
        if plate.item is not None:
            item, rect = plate.item
            self.rects[item] = rect._replace(x=rect.x + x, y=rect.y + y)
            self.spines[item], self.tops[item] = x, y
            self.outs[item] = x + plate.out
        for stroke in plate.strokes:
            if isinstance(stroke, Frame):
                rect = stroke.rect
                moved = rect._replace(x=rect.x + x, y=rect.y + y)
                self.frames.append(stroke._replace(rect=moved))
            elif isinstance(stroke, Words):
                self.words.append(stroke._replace(x=stroke.x + x, y=stroke.y + y))
            else:
                points = tuple([(a + x, b + y) for a, b in stroke.points])
                self.lines.append(stroke._replace(points=points))
        self.starts += plate.starts
        self.lanes += [(lane + x, link, item) for lane, link, item in plate.lanes]
        for dx, dy, inner in plate.inner:
            self.spread(inner, x + dx, y + dy)
