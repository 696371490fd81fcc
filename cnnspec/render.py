"""Diagnostics and the file they are about enter; text for people and tools leaves."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.diagnostics import ERROR, NOTE, WARNING, Diagnostic, Label
from cnnspec.source import START

if TYPE_CHECKING:
    from cnnspec.source import SourceFile

_STYLES = {
    ERROR: "\x1b[1;31m",
    WARNING: "\x1b[1;33m",
    NOTE: "\x1b[1;36m",
    "gutter": "\x1b[1;34m",
    "bold": "\x1b[1m",
}
_RESET = "\x1b[0m"
_TAB = 4
_LEAST_WINDOW = 40


def visible(text: str) -> str:
    """The text with what a terminal might obey, or not show, escaped."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    if char == "\t":
        return " " * _TAB
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}"


def cells(text: str) -> int:
    """Terminal columns of the text: wide letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(char) in ("W", "F")
        else 1
        for char in text
    )


def render_text(
    diagnostics: Sequence[Diagnostic], source: SourceFile, color: bool, width: int
) -> str:
    """Diagnostics for a terminal: message, quoted lines, notes, help.

    Args:
        source: the file that the spans are places of; an empty text quotes nothing.
        color: use ANSI colours; the caller knows about terminals and NO_COLOR.
        width: columns of the terminal; longer quoted lines are shown around the mark.
    """
    page = _Page(source, color, width)
    return "\n".join(page.diagnostic(d) for d in diagnostics)


class _Mark(NamedTuple):
    """A stretch of one quoted line to underline, its end exclusive.

    `column` counts the line's characters from 0; `start` and `end` do too, until the
    line is laid out, then they count terminal columns.
    """

    start: int
    end: int
    label: str
    primary: bool
    column: int


class _Page:
    """Lays diagnostics of one file out for one terminal."""

    __slots__ = ("color", "name", "source", "width")

    def __init__(self, source: SourceFile, color: bool, width: int) -> None:
        self.source = source
        self.name = visible(source.name)
        self.color = color
        self.width = width

    def paint(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_RESET}" if self.color and text else text

    def diagnostic(self, found: Diagnostic) -> str:
        marks = self._marks(found)
        gutter = len(str(max(marks))) if marks else 1
        head = self.paint(found.severity, f"{found.severity}[{found.code}]")
        rows = [head + self.paint("bold", f": {visible(found.message)}")]
        place = self.name
        if self.source.text or found.span != START:  # else it can't be read
            place += f":{found.span.line}:{found.span.column}"
        rows.append(f"{' ' * gutter}{self.paint('gutter', '-->')} {place}")
        snippet, shown = self._snippet(marks, gutter, found.severity)
        rows += snippet
        if found.label and not marks:
            rows += self._remark(gutter, "note", found.label)
        for label in found.related:
            if (label.span.line, label.span.column - 1) not in shown:
                where = f"line {label.span.line}, column {label.span.column}"
                rows += self._remark(gutter, "note", f"{label.message}: {where}")
        for note in found.notes:
            rows += self._remark(gutter, "note", note)
        if found.help:
            rows += self._remark(gutter, "help", found.help)
        return "\n".join(rows) + "\n"

    def _remark(self, gutter: int, kind: str, text: str) -> list[str]:
        """A note or help; further lines of it stand under its first word."""
        room = max(self.width - gutter - 5 - len(kind), _LEAST_WINDOW)
        lines = [part for line in text.split("\n") for part in _wrapped(line, room)]
        sign = self.paint("gutter", "=")
        first = f"{' ' * gutter} {sign} {self.paint('bold', kind + ':')} {lines[0]}"
        return [first, *(" " * (gutter + 5 + len(kind)) + line for line in lines[1:])]

    def _marks(self, found: Diagnostic) -> dict[int, list[_Mark]]:
        """The lines to quote, in order, each with what to underline in it."""
        lines = self.source.lines if self.source.text else []
        marks: dict[int, list[_Mark]] = {}
        places = [(Label(found.span, found.label), True)]
        places += [(label, False) for label in found.related]
        for (span, message), primary in places:
            if span.line <= len(lines):
                line = lines[span.line - 1]
                start = span.column - 1
                # Of a span over several lines the first is enough to find it.
                end = (
                    span.end_column - 1
                    if span.end_line == span.line
                    else len(line.rstrip())
                )
                end = max(end, start + 1)
                mark = _Mark(start, end, visible(message), primary, start)
                marks.setdefault(span.line, []).append(mark)
        return dict(sorted(marks.items())) if found.span.line in marks else {}

    def _snippet(
        self, marks: dict[int, list[_Mark]], gutter: int, severity: str
    ) -> tuple[list[str], set[tuple[int, int]]]:
        """The quoted and underlined lines, and the places that are seen in them."""
        shown: set[tuple[int, int]] = set()
        if not marks:
            return [], shown
        bar = self.paint("gutter", "|")
        rows = [f"{' ' * gutter} {bar}"]
        before: int | None = None
        for number, line_marks in marks.items():
            if before is not None and number == before + 2:
                rows.append(self._quoted(before + 1, gutter))
            elif before is not None and number > before + 2:
                rows.append(self.paint("gutter", "..."))
            text, placed = _window(
                self.source.lines[number - 1], line_marks, self.width - gutter - 3
            )
            shown.update((number, mark.column) for mark in placed)
            at = self.paint("gutter", f"{number:>{gutter}} |")
            rows.append(f"{at} {text}".rstrip())
            rows += [
                f"{' ' * gutter} {bar} {row}" for row in self._under(placed, severity)
            ]
            before = number
        return rows, shown

    def _quoted(self, number: int, gutter: int) -> str:
        """An unmarked line between two marked ones."""
        shown, _ = _window(self.source.lines[number - 1], [], self.width - gutter - 3)
        at = self.paint("gutter", f"{number:>{gutter}} |")
        return f"{at} {shown}".rstrip()

    def _under(self, marks: list[_Mark], severity: str) -> list[str]:
        """The rows under a quoted line: underlines, the last label beside them, the
        other labels below, each hanging from its mark."""
        marks = sorted(marks, key=lambda mark: (mark.start, mark.primary))
        signs: list[tuple[str, str]] = [(" ", "")] * max(mark.end for mark in marks)
        # Of two that overlap the shorter is drawn over the longer.
        for mark in sorted(marks, key=lambda m: (m.start - m.end, m.primary)):
            style = severity if mark.primary else "gutter"
            sign = ("^" if mark.primary else "-", style)
            signs[mark.start : mark.end] = [sign] * (mark.end - mark.start)
        *others, last = marks
        # A label beside the underlines must not seem to belong to another's.
        beside = all(mark.end <= last.end for mark in others)
        if not beside:
            others = marks
        row = self._painted(signs)
        if beside and last.label:
            style = severity if last.primary else "gutter"
            row += " " + self.paint(style, last.label)
        rows = [row]
        hanging = [mark for mark in others if mark.label]
        if hanging:
            rows.append(self._painted(_stems(hanging, severity)))
        while hanging:
            mark = hanging.pop()
            style = severity if mark.primary else "gutter"
            stems = [stem for stem in hanging if stem.start < mark.start]
            prefix = _stems(stems, severity)
            prefix += [(" ", "")] * (mark.start - len(prefix))
            rows.append(self._painted(prefix) + self.paint(style, mark.label))
        return rows

    def _painted(self, signs: list[tuple[str, str]]) -> str:
        """Signs with their styles as text, one escape code for each run of a style."""
        row = ""
        start = 0
        for index in range(1, len(signs) + 1):
            if index == len(signs) or signs[index][1] != signs[start][1]:
                text = "".join(sign for sign, _ in signs[start:index])
                row += self.paint(signs[start][1], text) if signs[start][1] else text
                start = index
        return row


def _wrapped(line: str, room: int) -> list[str]:
    """A line in as many as it takes, broken at spaces that indent nothing."""
    line = visible(line)
    if cells(line) <= room:
        return [line]
    from textwrap import wrap

    return wrap(line, room, break_long_words=False, break_on_hyphens=False)


def _stems(marks: list[_Mark], severity: str) -> list[tuple[str, str]]:
    """A row of `|`, one under the start of each mark."""
    signs = [(" ", "")] * max((mark.start + 1 for mark in marks), default=0)
    for mark in marks:
        signs[mark.start] = ("|", severity if mark.primary else "gutter")
    return signs


def _window(line: str, marks: list[_Mark], room: int) -> tuple[str, list[_Mark]]:
    """The part of a line to show in `room` columns, and the marks that are in it."""
    room = max(room, _LEAST_WINDOW)
    first, last = 0, len(line)
    left = right = ""
    if len(line) > room or _width(line) > room:
        focus = next((mark for mark in marks if mark.primary), (*marks, None)[0])
        first = _window_start(line, focus, room) if focus else 0
        left = "... " if first else ""
        budget = room - len(left) - len(" ...")
        last = first
        while last < len(line) and _width(line[last]) <= budget:
            budget -= _width(line[last])
            last += 1
        right = " ..." if last < len(line) else ""
    offsets = [len(left)]
    for char in line[first:last]:
        offsets.append(offsets[-1] + _width(char))
    shown = left + "".join(map(_visible, line[first:last])) + right
    placed = []
    for mark in marks:
        if mark.start < first or mark.start > last:
            continue
        start = offsets[mark.start - first] if mark.start < len(line) else offsets[-1]
        end = offsets[min(mark.end - first, len(offsets) - 1)]
        placed.append(mark._replace(start=start, end=max(end, start + 1)))
    return shown, placed


def _window_start(line: str, focus: _Mark, room: int) -> int:
    """Where the shown part begins: a third of the room before the mark, so that most labels
    fit behind it, and more where the line ends soon."""
    marked = _width(line[focus.start : min(focus.end, focus.start + room)])
    before = max(room - marked, 0) // 3
    if len(line) - focus.start <= room:
        before = max(before, room - 8 - _width(line[focus.start :]))
    first = min(focus.start, len(line))
    while first and _width(line[first - 1]) <= before:
        first -= 1
        before -= _width(line[first])
    return first if first > 4 or _width(line[:first]) > 4 else 0  # as wide as "... "


def _width(text: str) -> int:
    """Columns that a text takes as it is shown."""
    return sum(cells(_visible(char)) for char in text)


def render_concise(diagnostics: Sequence[Diagnostic], source: SourceFile) -> str:
    """One line each: `file:line:col: severity[CODE]: message: label`."""
    return "".join(
        f"{visible(source.name)}:{d.span.line}:{d.span.column}: "
        f"{d.severity}[{d.code}]: {visible(d.message)}{visible(f': {d.label}' if d.label else '')}\n"
        for d in diagnostics
    )


def render_github(diagnostics: Sequence[Diagnostic], source: SourceFile) -> str:
    """GitHub workflow commands, which show diagnostics beside a pull request's lines.

    Source: docs.github.com, "Workflow commands for GitHub Actions"; the escapes are
        those of actions/toolkit, packages/core/src/command.ts.
    """
    rows = []
    for d in diagnostics:
        properties = {"file": source.name, "line": d.span.line, "col": d.span.column}
        if d.span.end_line == d.span.line:
            properties["endColumn"] = max(d.span.end_column, d.span.column + 1)
        properties["endLine"] = d.span.end_line
        properties["title"] = f"cnnspec {d.code}"
        told = ",".join(f"{key}={_property(str(it))}" for key, it in properties.items())
        text = "\n".join(
            (d.message, *remarks(d), *((f"help: {d.help}",) if d.help else ()))
        )
        kind = "notice" if d.severity == NOTE else d.severity
        rows.append(f"::{kind} {told}::{_data(text)}\n")
    return "".join(rows)


def _data(text: str) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def remarks(found: Diagnostic) -> list[str]:
    """The label and the notes, for outputs that draw no snippet."""
    return [*((found.label,) if found.label else ()), *found.notes]


def diagnostic_json(found: Diagnostic, file: str) -> dict[str, Any]:
    """A diagnostic as `check --format json` gives it; the label is the first note."""
    line, column, end_line, end_column = found.span
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "file": file,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "help": found.help,
        "notes": remarks(found),
        "related": [
            {
                "message": label.message,
                "file": file,
                "line": label.span.line,
                "column": label.span.column,
            }
            for label in found.related
        ],
    }


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """Such as `2 errors and 1 warning`; empty where there is nothing."""
    counts = Counter(d.severity for d in diagnostics)
    parts = [
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in (ERROR, WARNING, NOTE)
        if counts[severity]
    ]
    return " and ".join((", ".join(parts[:-1]), parts[-1]) if len(parts) > 1 else parts)
