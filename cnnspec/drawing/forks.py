"""Lists side by side enter; a plate leaves: the residual's arc, the parallel's columns."""

from __future__ import annotations

from collections.abc import Callable

from cnnspec.drawing.columns import lay_columns
from cnnspec.drawing.picture import Fork, Item
from cnnspec.drawing.plates import (
    CHAR,
    GAP,
    PAD,
    ROW,
    SMALL,
    Frame,
    Line,
    Plate,
    Point,
    Rect,
    Words,
)

Lay = Callable[[Item], Plate]
START = 8.0  # from where the flow enters to where it parts
LEAD = 18.0  # from there to the first box
ARC = 18.0  # radius of the shortcut's turns, at least
BETWEEN = 22.0  # branches


def lay_residual(fork: Fork, lay: Lay) -> Plate:
    """The body on the spine, the shortcut beside it, the sum below both."""
    body, side = (lay_columns(sequence, lay) for sequence in fork.lists)
    merge = lay(fork.merge)
    half = merge.height / 2
    last, shortcut = fork.lists[0].last, fork.lists[1]
    lead_end = START + LEAD if fork.lists[0].items else START
    top = lead_end + body.height
    under = START + ARC + side.height + ARC - half if shortcut.items else 0.0
    foot = max(top + GAP - 6, under)
    plate = Plate(max(body.left, merge.left), 0, foot + merge.height)
    plate.strokes.append(Line(((0, 0), (0, START)), "flow", arrow=False))
    plate.strokes.append(_dot(START))
    if body.height and body.enters:
        plate.strokes.append(Line(((0, START), (0, lead_end)), "flow"))
    plate.place(body, 0, lead_end)
    plate.strokes.append(_down(body.out, top, foot))
    plate.strokes.append(_shape(body.out, top + 16, last.gives))
    near = max(body.right, body.out + 8 + len(last.gives) * SMALL, merge.right) + 20
    end: tuple[Point, ...] = ((merge.right, foot + half),)
    if shortcut.items:
        x, top = near + side.left, START + ARC
        lead = ((0.0, START), (x, START), (x, top))
        plate.strokes.append(Line(lead, "shortcut"))
        plate.place(side, x, top)
        x += side.out
        end = ((x, top + side.height), (x, foot + half), *end)
        plate.right = near + side.left + side.right
    else:
        end = ((0.0, START), (near, START), (near, foot + half), *end)
        plate.right = near + 6
    plate.strokes.append(Line(end, "shortcut"))
    plate.place(merge, 0, foot)
    plate.item = (fork, Rect(0, 0, 0, 0))
    return plate


def lay_parallel(fork: Fork, lay: Lay) -> Plate:
    """The branches side by side, below them a bar as wide as they."""
    branches = [lay_columns(sequence, lay) for sequence in fork.lists]
    labels = [sequence.last.gives for sequence in fork.lists]
    spines, x = [], 0.0
    for branch, label in zip(branches, labels, strict=True):
        x += branch.left
        spines.append(x)
        x += max(branch.right, branch.out + 8 + len(label) * SMALL) + BETWEEN
    shift = (spines[0] + spines[-1]) / 2
    spines = [spine - shift for spine in spines]
    plate = Plate(branches[0].left - spines[0], x - BETWEEN - shift, 0)
    start = START
    if fork.split is not None:
        split = lay(fork.split)
        plate.place(split, 0, 0)
        start = split.height + 8
        plate.strokes.append(Line(((0, split.height), (0, start)), "flow", False))
    else:
        plate.strokes.append(Line(((0, 0), (0, start)), "flow", arrow=False))
        plate.strokes.append(_dot(start))
    top = start + LEAD
    foot = top + max(branch.height for branch in branches) + GAP - 6
    for spine, branch, label in zip(spines, branches, labels, strict=True):
        lead = ((0.0, start), (spine, start), (spine, top))
        if branch.enters:
            plate.strokes.append(Line(lead, "flow", arrow=branch.height > 0))
        plate.place(branch, spine, top)
        out, bottom = spine + branch.out, top + branch.height
        plate.strokes.append(Line(((out, bottom), (out, foot)), "flow"))
        plate.strokes.append(_shape(out, foot - 12, label))
    half = max(
        spines[-1] + branches[-1].out + 30, len(fork.merge.rows[0]) * CHAR / 2 + PAD
    )
    height = ROW + 6
    rect = Rect(-half, foot, 2 * half, height)
    bar = Plate(half, half, height)
    bar.item = (fork.merge, rect._replace(y=0))
    bar.strokes.append(Frame(rect._replace(y=0), "merge", fork.merge.note))
    bar.strokes.append(Words(0, 16.5, fork.merge.rows[0], "main"))
    plate.place(bar, 0, foot)
    plate.left, plate.right = max(plate.left, half), max(plate.right, half)
    plate.height = foot + height
    plate.item = (fork, Rect(0, 0, 0, 0))
    return plate


def _dot(y: float) -> Frame:
    return Frame(Rect(-3, y - 3, 6, 6), "dot", round=True)


def _down(x: float, top: float, foot: float) -> Line:
    """The flow from a list's end to the spine."""
    if x == 0:
        return Line(((0, top), (0, foot)), "flow")
    bend = foot - 12
    return Line(((x, top), (x, bend), (0, bend), (0, foot)), "flow")


def _shape(x: float, y: float, text: str) -> Words:
    return Words(x + 6, y, text, "shape", "start")
