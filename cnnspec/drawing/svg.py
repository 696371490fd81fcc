"""A Picture enters, an SVG document leaves: the same bytes each time, with styles of its own.

Colours follow the reader's scheme, light or dark, and the picture brings its background.
"""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise

from cnnspec.drawing.layout import lay_sequence
from cnnspec.drawing.picture import Picture
from cnnspec.drawing.plates import CHAR, Frame, Line, Point, Rect, Sheet, Words
from cnnspec.drawing.routes import route

MARGIN = 28.0
TURN = 9.0  # radius of a line's corners

_STYLE = """
text { font-family: Helvetica, Arial, "Liberation Sans", sans-serif; font-size: 12px; }
.heading { font-size: 17px; font-weight: bold; }
.shape { font-size: 10.5px; }
.name { font-weight: bold; }
.line { fill: none; stroke-width: 1.4; }
.shortcut { stroke-width: 2.4; }
.sign { fill: none; stroke-width: 1.6; }
.side { stroke-width: 2; }
.dashed, .weights { stroke-dasharray: 5 4; }
"""
# By kind: (fill, stroke) light, (fill, stroke) dark.
_FRAMES = {
    "kernel": (("#dbeafe", "#2563eb"), ("#17325c", "#6ea8fe")),
    "window": (("#ffedd5", "#ea580c"), ("#4d2a10", "#fb923c")),
    "merge": (("#f3e8ff", "#9333ea"), ("#3b1d5e", "#c084fc")),
    "plain": (("#f3f4f6", "#9ca3af"), ("#2b313a", "#7d8794")),
    "input": (("#d1fae5", "#059669"), ("#0f3d2e", "#34d399")),
    "output": (("#d1fae5", "#059669"), ("#0f3d2e", "#34d399")),
    "closed": (("#ffffff", "#64748b"), ("#1a212b", "#8b98a9")),
    "block": (("#f8fafc", "#94a3b8"), ("#141a23", "#5b6878")),
    "repeat": (("#f8fafc", "#94a3b8"), ("#141a23", "#5b6878")),
    "head": (("#fffbeb", "#d97706"), ("#2a220f", "#d9a441")),
    "dot": (("#475569", "#475569"), ("#aab4c0", "#aab4c0")),
}
_TITLES = {"head": ("#fde68a", "#5c4713")}
_TITLE = ("#e2e8f0", "#2a3442")
_LINES = {
    "flow": ("#475569", "#aab4c0"),
    "shortcut": ("#dc2626", "#ff7b72"),
    "side": ("#7c3aed", "#b794f6"),
    "weights": ("#0891b2", "#39c5dc"),
    "sign": ("#9333ea", "#c084fc"),
}
_WORDS = {
    "heading": ("#111827", "#f0f3f6"),
    "figures": ("#4b5563", "#aab4c0"),
    "name": ("#1f2937", "#e6ebf1"),
    "main": ("#111827", "#f0f3f6"),
    "rest": ("#374151", "#c9d1d9"),
    "shape": ("#64748b", "#9aa5b1"),
}
_PAPER = ("#ffffff", "#0d1117")
_ARROWS = ("flow", "shortcut", "side")
# What XML 1.0 can't hold.
_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(picture: Picture) -> str:
    plate = lay_sequence(picture.body)
    heads = _heads(picture)
    top = MARGIN + 20 * len(heads) + 14
    wide = max(MARGIN + plate.left, _heading_width(heads) / 2 + MARGIN)
    sheet = Sheet()
    sheet.spread(plate, wide, top)
    route(picture.body, sheet)
    left, right, bottom = _extents(sheet)
    left = min(left, wide - _heading_width(heads) / 2)
    right = max(right, left + _heading_width(heads))
    for number, head in enumerate(heads):
        y = MARGIN + 12 + 20 * number
        sheet.words.append(head._replace(x=left, y=y))
    box = (left - MARGIN, 0.0, right - left + 2 * MARGIN, bottom + MARGIN)
    return "\n".join([*_opening(picture, box), *_strokes(sheet), "</svg>"]) + "\n"


def _heads(picture: Picture) -> list[Words]:
    found = [Words(0, 0, picture.name, "heading", "start")]
    for text in (picture.description, picture.figures):
        if text:
            found.append(Words(0, 0, text, "figures", "start"))
    return found


def _heading_width(heads: list[Words]) -> float:
    return max(len(head.text) * CHAR * 0.9 for head in heads)


def _extents(sheet: Sheet) -> tuple[float, float, float]:
    """Left and right edge and foot of everything drawn."""
    lefts = [frame.rect.x for frame in sheet.frames]
    rights = [frame.rect.x + frame.rect.width for frame in sheet.frames]
    feet = [frame.rect.bottom for frame in sheet.frames]
    for line in sheet.lines:
        lefts += [x for x, _ in line.points]
        rights += [x for x, _ in line.points]
    for words in sheet.words:
        size = len(words.text) * CHAR
        lefts.append(words.x - (size if words.anchor == "end" else 12))
        rights.append(words.x + (size if words.anchor == "start" else 0))
    return min(lefts), max(rights), max(feet)


def _opening(picture: Picture, box: tuple[float, float, float, float]) -> list[str]:
    x, y, width, height = (_number(value) for value in box)
    about = _text(picture.description or picture.name)
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{x} {y} {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{_text(picture.name)}</title>",
        f"<desc>{about}</desc>",
        f"<style>{_STYLE}{_colours(0)}",
        f"@media (prefers-color-scheme: dark) {{\n{_colours(1)}\n}}",
        "</style>",
        "<defs>",
        *(_marker(kind) for kind in _ARROWS),
        "</defs>",
        f'<rect class="paper" x="{x}" y="{y}" width="{width}" height="{height}"/>',
    ]


def _colours(scheme: int) -> str:
    rules = [f".paper {{ fill: {_PAPER[scheme]}; }}"]
    for kind, schemes in _FRAMES.items():
        fill, stroke = schemes[scheme]
        rules.append(f".{kind} {{ fill: {fill}; stroke: {stroke}; }}")
    rules.append(f".title {{ fill: {_TITLE[scheme]}; stroke: none; }}")
    for kind, fills in _TITLES.items():
        rules.append(f".{kind}-title {{ fill: {fills[scheme]}; }}")
    for kind, strokes in _LINES.items():
        rules.append(f".line.{kind}, .{kind}.sign {{ stroke: {strokes[scheme]}; }}")
        rules.append(f".tip-{kind} {{ fill: {strokes[scheme]}; }}")
    for kind, fills in _WORDS.items():
        rules.append(f"text.{kind} {{ fill: {fills[scheme]}; }}")
    return "\n".join(rules)


def _marker(kind: str) -> str:
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
        f'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path class="tip-{kind}" d="M0 0.5 L8 4 L0 7.5 z"/></marker>'
    )


def _strokes(sheet: Sheet) -> list[str]:
    """Frames of blocks, lines, then boxes, so that no line crosses one's words."""
    wide = ("block", "repeat", "head")
    under = [f for f in sheet.frames if f.kind.split()[0] in wide]
    chosen = {id(frame) for frame in under}
    over = [frame for frame in sheet.frames if id(frame) not in chosen]
    lines = [_line(line) for line in sheet.lines if line.kind != "sign"]
    signs = [_line(line) for line in sheet.lines if line.kind == "sign"]
    return [
        *map(_frame, under),
        *lines,
        *map(_frame, over),
        *signs,
        *map(_words, sheet.words),
    ]


def _frame(frame: Frame) -> str:
    rect: Rect = frame.rect
    if frame.round:
        radius = _number(rect.width / 2)
        centre = f'cx="{_number(rect.x + rect.width / 2)}" cy="{_number(rect.middle)}"'
        shape, end = f'circle class="{frame.kind}" {centre} r="{radius}"', "circle"
    else:
        x, y, width, height = (_number(value) for value in rect)
        rounded = 11 if frame.kind.split()[0] in ("input", "output") else 5
        shape = (
            f'rect class="{frame.kind}" x="{x}" y="{y}" width="{width}" '
            f'height="{height}" rx="{rounded}"'
        )
        end = "rect"
    if not frame.note:
        return f"<{shape}/>"
    return f"<{shape}><title>{_text(frame.note)}</title></{end}>"


def _line(line: Line) -> str:
    kind = line.kind.split()[0]
    tip = f' marker-end="url(#{kind})"' if line.arrow and kind in _ARROWS else ""
    return f'<path class="line {line.kind}" d="{_path(line.points)}"{tip}/>'


def _path(points: tuple[Point, ...]) -> str:
    """Straight pieces with round corners."""
    kept = [points[0]]
    kept += [b for a, b in pairwise(points) if a != b]
    said = [f"M{_pair(kept[0])}"]
    for before, corner, after in zip(kept, kept[1:], kept[2:], strict=False):
        said.append(f"L{_pair(_near(corner, before, after))}")
        said.append(f"Q{_pair(corner)} {_pair(_near(corner, after, before))}")
    return " ".join([*said, f"L{_pair(kept[-1])}"])


def _near(corner: Point, end: Point, other: Point) -> Point:
    """The point on the way to an end where a corner's turn begins."""
    pieces = [_far(corner, end), _far(corner, other)]
    turn = min(TURN, min(pieces) / 2)
    share = turn / pieces[0]
    return (
        corner[0] + (end[0] - corner[0]) * share,
        corner[1] + (end[1] - corner[1]) * share,
    )


def _far(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _words(words: Words) -> str:
    x, y = _number(words.x), _number(words.y)
    turned = f' transform="rotate(-90 {x} {y})"' if words.upright else ""
    return (
        f'<text class="{words.kind}" x="{x}" y="{y}" text-anchor="{words.anchor}"'
        f"{turned}>{_text(words.text)}</text>"
    )


def _pair(point: Point) -> str:
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    text = f"{value:.1f}"
    return "0" if text == "-0.0" else text.removesuffix(".0")


def _text(text: str) -> str:
    return escape(_UNSAYABLE.sub("�", text))
