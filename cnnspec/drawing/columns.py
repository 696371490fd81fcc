"""A sequence enters; a plate with its items in columns leaves.

What goes on from the last item of a column stands below it; what reads an earlier one, and a
further input, begins a column of its own. Links within a column run in lanes to its left.
"""

from __future__ import annotations

from collections.abc import Callable

from cnnspec.drawing.picture import HEAD, WEIGHTS, Box, Group, Item, Link, Sequence
from cnnspec.drawing.plates import GAP, LANE, SMALL, Frame, Line, Plate, Rect, Words

Lay = Callable[[Item], Plate]
LEAD = 18.0  # from a point that is read again to the first item
ASIDE = 36.0  # from a column to the next


class Column:
    """Items below one another; their places are measured from the column's spine."""

    __slots__ = ("items", "lanes", "left", "right", "tail", "top", "x")

    def __init__(self) -> None:
        self.items: list[tuple[Item, float, Plate]] = []
        self.tail: Item | None = None
        self.left = self.right = self.top = self.x = 0.0
        self.lanes: list[tuple[float, Link, Item]] = []

    @property
    def bottom(self) -> float:
        _, y, plate = self.items[-1]
        return y + plate.height


def lay_columns(sequence: Sequence, lay: Lay) -> Plate:
    """The sequence's plate: the flow enters at (0, 0), above the first column."""
    if not sequence.items:
        return Plate(0, 0, 0)
    columns = _stand(sequence, lay)
    begins = [column.items[0][0] for column in columns]
    home = {item: column for column in columns for item, _, _ in column.items}
    read = _reads_entry(sequence)
    for column in columns:
        points = {item: (y, plate) for item, y, plate in column.items}
        if column is columns[0] and read:
            points[sequence.entry] = (4.0, Plate(0, 0, 0))
        _route(column, points)
    _spread(columns)
    first = columns[0]
    plate = Plate(0, 0, max(column.bottom for column in columns))
    plate.enters = begins[0].flow is sequence.entry
    plate.item = (sequence.entry, Rect(0, 4.0 if read else 0.0, 0, 0))
    if read:
        plate.strokes.append(Frame(Rect(-3, 1, 6, 6), "dot", round=True))
        lead = ((0.0, 0.0), (0.0, LEAD if plate.enters else 4.0))
        plate.strokes.append(Line(lead, "flow", arrow=plate.enters))
    plate.starts = [
        item
        for number, item in enumerate(begins)
        if item.flow is not None and not (number == 0 and plate.enters)
    ]
    for column in columns:
        plate.left = max(plate.left, column.left - column.x)
        plate.right = max(plate.right, column.right + column.x)
        for _, y, inner in column.items:
            plate.place(inner, column.x, y)
        plate.lanes += [(column.x + x, link, item) for x, link, item in column.lanes]
        _join(column, plate)
    out = home.get(sequence.last, first)
    last = next((p for item, _, p in out.items if item is sequence.last), None)
    plate.out = out.x + (last.out if last is not None else 0.0)
    if last is not None and sequence.last in home:
        y = next(y for item, y, _ in out.items if item is sequence.last)
        foot = y + last.height
        ends = sequence.last is out.items[-1][0]
        if ends and foot < plate.height:  # another column is longer
            longer = ((plate.out, foot), (plate.out, plate.height))
            plate.strokes.append(Line(longer, "flow", arrow=False))
    return plate


def _stand(sequence: Sequence, lay: Lay) -> list[Column]:
    """Puts each item into a column, below all that it reads."""
    columns: list[Column] = []
    tails: dict[Item, Column] = {}
    read = _reads_entry(sequence)
    bottoms: dict[Item, float] = {sequence.entry: LEAD - GAP if read else -GAP}
    for item in sequence.items:
        plate = lay(item)
        column = tails.pop(item.flow, None) if item.flow and _goes_on(item) else None
        if column is None:
            column = Column()
            columns.append(column)
        links = [link.source for link in item.links if link.kind != WEIGHTS]
        sources = [item.flow, *links, *item.after]
        y = max([bottoms[s] + GAP for s in sources if s in bottoms], default=0.0)
        if column.items:
            y = max(y, column.bottom + GAP)
        else:
            column.top = y - GAP / 2
        column.items.append((item, y, plate))
        label = len(item.reads) * SMALL + 10
        column.left = max(column.left, plate.left)
        column.right = max(column.right, plate.right, label if item.reads else 0)
        bottoms[item] = y + plate.height
        tails[item] = column
    return columns


def _reads_entry(sequence: Sequence) -> bool:
    """Whether what enters is read later, too: it then has a point to start from."""
    later = [item.flow for item in sequence.items[1:]]
    for item in sequence.items:
        later += [*(link.source for link in item.links), *item.after]
    return sequence.entry in later


def _goes_on(item: Item) -> bool:
    """A head leaves the flow to what comes after it."""
    return not (isinstance(item, Group) and item.kind == HEAD)


def _route(column: Column, place: dict[Item, tuple[float, Plate]]) -> None:
    """Lanes for the links inside a column: short ones near, what crosses them further out."""
    found = []
    inside = [(item, link) for item, _, _ in column.items for link in item.links]
    for item, link in inside:
        if link.source in place:
            start = place[link.source][0]
            found.append((place[item][0] - start, start, link, item))
    taken: list[list[tuple[float, float]]] = []
    found.sort(key=lambda each: each[:2])
    for length, start, link, item in found:
        end = start + length
        lane = 0
        while lane < len(taken) and any(
            start < other_end and other_start < end
            for other_start, other_end in taken[lane]
        ):
            lane += 1
        if lane == len(taken):
            taken.append([])
        taken[lane].append((start, end))
        near = max(p.left for i, y, p in column.items if start <= y <= end)
        column.lanes.append((-(near + LANE * (lane + 1)), link, item))
    edges = [-x + LANE for x, _, _ in column.lanes]
    column.left = max([column.left, *edges])


def _spread(columns: list[Column]) -> None:
    """Moves each column to the right of those that stand at its height."""
    heads = [column for column in columns if not _goes_on(column.items[0][0])]
    rest = [column for column in columns if column not in heads]
    placed: list[Column] = []
    # The line to an earlier head then runs above a later one.
    for column in [*rest, *reversed(heads)]:
        x = 0.0
        for other in placed:
            if other.top <= column.bottom + GAP and column.top <= other.bottom + GAP:
                x = max(x, other.x + other.right + ASIDE + column.left)
        column.x = x
        placed.append(column)


def _join(column: Column, plate: Plate) -> None:
    """Lines from each item to the next one, with the shape that goes along."""
    for (_, y, above), (item, below, _) in zip(
        column.items, column.items[1:], strict=False
    ):
        top, x = y + above.height, column.x + above.out
        points: tuple[tuple[float, float], ...] = ((x, top), (column.x, below))
        if above.out:
            bend = top + 10
            points = ((x, top), (x, bend), (column.x, bend), (column.x, below))
        plate.strokes.append(Line(points, "flow"))
        if item.reads and not (isinstance(item, Box) and item.kind == "output"):
            label = Words(column.x + 6, below - 12, item.reads, "shape", "start")
            plate.strokes.append(label)
