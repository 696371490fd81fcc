"""A sheet with all boxes at their places enters; the lines of its links are added."""

from __future__ import annotations

from cnnspec.drawing.picture import WEIGHTS, Fork, Group, Item, Link, Sequence
from cnnspec.drawing.plates import SMALL, Line, Point, Rect, Sheet, Words

BEND = 16.0  # above what a line enters


def route(body: Sequence, sheet: Sheet) -> None:
    """Draws every link of a sequence and of what is open inside it."""
    ends = _ends(body)
    for item in sheet.starts:
        assert item.flow is not None
        _flow(item, item.flow, sheet, ends)
    for lane, link, item in sheet.lanes:
        _beside(item, link, lane, sheet)
    routed = {(item, id(link)) for _, link, item in sheet.lanes}
    _links(body, sheet, ends, routed)


def _ends(body: Sequence) -> set[Item]:
    """Items below which nothing stands: their column ends with them."""
    return set(body.items) - {item.flow for item in body.items if item.flow}


def _links(
    body: Sequence, sheet: Sheet, ends: set[Item], routed: set[tuple[Item, int]]
) -> None:
    for item in body.items:
        for link in item.links:
            if (item, id(link)) not in routed:
                _across(item, link, sheet, ends)
        if isinstance(item, Fork):
            for inner in item.lists:
                _links(inner, sheet, ends, routed)
        elif isinstance(item, Group) and item.open:
            _links(item.body, sheet, ends, routed)


def _rect(item: Item, sheet: Sheet) -> Rect:
    return sheet.rects[item.anchor]


def _flow(item: Item, source: Item, sheet: Sheet, ends: set[Item]) -> None:
    """From an earlier item down into one that begins a column."""
    x, top = sheet.spines[item], sheet.tops[item]
    start = _rect(source, sheet)
    middle = sheet.outs[source.anchor]
    points: tuple[Point, ...]
    if source in ends or start.height == 0:
        turn = top - BEND
        points = ((middle, start.bottom), (middle, turn), (x, turn), (x, top))
    else:
        side = start.x + start.width if x > middle else start.x
        points = ((side, start.middle), (x, start.middle), (x, top))
    kind = "flow dashed" if getattr(item, "dashed", False) else "flow"
    sheet.lines.append(Line(points, kind))
    if item.reads:
        sheet.words.append(Words(x + 6, top - 20, item.reads, "shape", "start"))


def _beside(item: Item, link: Link, lane: float, sheet: Sheet) -> None:
    """Along a lane at the left of a column."""
    start, end = _rect(link.source, sheet), _rect(item, sheet)
    y = start.middle if start.height else start.y
    points = ((start.x, y), (lane, y), (lane, end.middle), (end.x, end.middle))
    sheet.lines.append(Line(points, link.kind, link.kind != WEIGHTS))
    if link.shape and end.middle - y > len(link.shape) * SMALL + 4:
        middle = (y + end.middle) / 2
        words = Words(lane - 5, middle, link.shape, "shape", "middle", upright=True)
        sheet.words.append(words)


def _across(item: Item, link: Link, sheet: Sheet, ends: set[Item]) -> None:
    """From another column, or from outside, into the side of a box."""
    start, end = _rect(link.source, sheet), _rect(item, sheet)
    from_left = start.x + start.width / 2 <= end.x + end.width / 2
    near = end.x if from_left else end.x + end.width
    side = start.x + start.width if from_left else start.x
    middle = sheet.outs[link.source.anchor]
    foot, sign = end.middle, 1 if from_left else -1
    above = start.x < end.x + end.width and end.x < start.x + start.width
    if above and not (link.source in ends and link.kind != WEIGHTS):
        _beside(item, link, min(start.x, end.x) - BEND, sheet)
        return
    anchors = ("start", "end") if from_left else ("end", "start")
    points: tuple[Point, ...]
    if link.kind != WEIGHTS and link.source in ends and start.bottom < foot:
        points = ((middle, start.bottom), (middle, foot), (near, foot))
        words = Words(near - 12 * sign, foot - 5, link.shape, "shape", anchors[1])
    else:
        lane, y = near - BEND * sign, start.middle
        points = ((side, y), (lane, y), (lane, foot), (near, foot))
        words = Words(side + 5 * sign, y - 5, link.shape, "shape", anchors[0])
    sheet.lines.append(Line(points, link.kind, link.kind != WEIGHTS))
    if link.shape:
        sheet.words.append(words)
