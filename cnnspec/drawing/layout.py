"""A picture enters; its plates leave: each item measured, and put below what it reads."""

from __future__ import annotations

from cnnspec.drawing.columns import lay_columns
from cnnspec.drawing.forks import lay_parallel, lay_residual
from cnnspec.drawing.labels import SIGNS
from cnnspec.drawing.picture import HEAD, TIMES, Box, Fork, Group, Item, Sequence
from cnnspec.drawing.plates import (
    CHAR,
    PAD,
    ROW,
    TITLE,
    Frame,
    Line,
    Plate,
    Rect,
    Words,
)

SIGN = 11.0  # radius of a merge that is a sign
ENDS = ("input", "output")


def lay_sequence(sequence: Sequence) -> Plate:
    return lay_columns(sequence, lay)


def lay(item: Item) -> Plate:
    if isinstance(item, Fork):
        return lay_residual(item, lay) if item.residual else lay_parallel(item, lay)
    if isinstance(item, Group):
        return _open(item) if item.open else _closed(item)
    assert isinstance(item, Box)
    return _sign(item) if _is_sign(item) else _box(item)


def _is_sign(box: Box) -> bool:
    return box.kind == "merge" and box.rows[0] in SIGNS and box.count == 1


def _sign(box: Box) -> Plate:
    """A merge number by number: a circle with its sign."""
    plate = Plate(SIGN, SIGN, 2 * SIGN)
    rect = Rect(-SIGN, 0, 2 * SIGN, 2 * SIGN)
    plate.item = (box, rect)
    plate.strokes.append(Frame(rect, "merge", box.note, round=True))
    arm = SIGN * 0.55
    turned = [((-arm, SIGN), (arm, SIGN)), ((0.0, SIGN - arm), (0.0, SIGN + arm))]
    if box.rows[0] == "multiply":
        arm *= 0.75
        turned = [
            ((-arm, SIGN - arm), (arm, SIGN + arm)),
            ((-arm, SIGN + arm), (arm, SIGN - arm)),
        ]
    for points in turned[: 1 if box.rows[0] == "subtract" else 2]:
        plate.strokes.append(Line(points, "sign", arrow=False))
    return plate


def _box(box: Box) -> Plate:
    rows = list(box.rows)
    if box.count > 1:
        rows[0] += f"  {TIMES}{box.count}"
    if box.kind in ENDS:
        rows[0] = f"{rows[0]}  {box.reads}"
    half = max(map(len, rows)) * CHAR / 2 + PAD
    height = len(rows) * ROW + 8
    plate = Plate(half, half, height)
    rect = Rect(-half, 0, 2 * half, height)
    plate.item = (box, rect)
    dashed = " dashed" if box.dashed else ""
    plate.strokes.append(Frame(rect, box.kind + dashed, box.note))
    for number, row in enumerate(rows):
        kind = "main" if number == 0 else "rest"
        plate.strokes.append(Words(0, number * ROW + 17, row, kind))
    return plate


def _closed(group: Group) -> Plate:
    rows, title = group.rows, group.title
    half = max([len(row) for row in (title, *rows)]) * CHAR / 2 + PAD
    height = TITLE + len(rows) * ROW + (6 if rows else 0)
    plate = Plate(half, half, height)
    _frame(group, plate, group.look)
    for number, row in enumerate(rows):
        plate.strokes.append(Words(0, TITLE + number * ROW + 15, row, "rest"))
    return plate


def _open(group: Group) -> Plate:
    inner = lay_sequence(group.body)
    title = len(group.title) * CHAR + 2 * PAD
    left, right = inner.left + PAD, inner.right + PAD
    short = max(0.0, title - left - right) / 2
    top, bottom = TITLE + 16.0, 16.0
    plate = Plate(left + short, right + short, top + inner.height + bottom)
    _frame(group, plate, group.kind)
    plate.strokes.append(Line(((0, TITLE), (0, top)), "flow", arrow=False))
    plate.place(inner, 0, top)
    if group.kind != HEAD:
        foot = top + inner.height
        ends = ((inner.out, foot), (inner.out, foot + bottom))
        plate.strokes.append(Line(ends, "flow", arrow=False))
    plate.out = inner.out
    return plate


def _frame(group: Group, plate: Plate, kind: str) -> None:
    width = plate.left + plate.right
    rect = Rect(-plate.left, 0, width, plate.height)
    plate.item = (group, rect)
    dashed = " dashed" if group.dashed else ""
    plate.strokes.append(Frame(rect, kind + dashed))
    plate.strokes.append(Frame(rect._replace(height=TITLE), f"title {kind}-title"))
    x = -plate.left + (PAD if group.open else width / 2)
    anchor = "start" if group.open else "middle"
    plate.strokes.append(Words(x, 15.5, group.title, "name", anchor))
