"""A flat list of elements enters; lines no wider than asked for leave, if they can.

Elements are texts, places for a line break, and groups: a group is printed on one line
if it fits there up to the next place that may break, else it is broken at its own
places.  A statement's value may get parentheses in two ways, both ruff's; they are
called the outer parentheses, and elements may depend on them.
Source: D. C. Oppen, "Prettyprinting" (1980); P. Wadler, "A prettier printer" (2003);
ruff's formatter for what the kinds of elements do when they are measured.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

INDENT = 4


class Kind(Enum):
    """What an element is; those that wrap others reach to their END."""

    TEXT = "text"
    BROKEN_TEXT = "text only where the enclosing group is broken"
    LINE = "line break where the enclosing group is broken, else its text"
    OUTER_LINE = "LINE inside the outer parentheses, else its text"
    GROUP = "group"
    OUTER_GROUP = "group that decides about the outer parentheses"
    GROUP_IN_OUTER = "GROUP inside the outer parentheses, else nothing"
    INDENT = "indent"
    INDENT_IN_OUTER = "INDENT inside the outer parentheses, else nothing"
    BRACKETS = "what may break without need of the outer parentheses"
    BEST_FIT = "what gets the outer parentheses only if it fits with them alone"
    END = "end"


class Element(NamedTuple):
    """One piece of a layout; `text` is empty for those that wrap others."""

    kind: Kind
    text: str = ""


Elements: TypeAlias = list[Element]


class Frame(NamedTuple):
    """How what is wrapped is printed or measured."""

    flat: bool
    indent: int
    first_line: bool = True  # measure up to the first break, else all lines
    overflow: bool = False  # text may be too wide
    parenthesized: bool = False  # a BEST_FIT, with parentheses


def text(content: str) -> Elements:
    """An unbreakable text."""
    return [Element(Kind.TEXT, content)]


def wrap(kind: Kind, content: Elements) -> Elements:
    """Elements inside a group, indent or the like."""
    return [Element(kind), *content, Element(Kind.END)]


def block(content: Elements) -> Elements:
    """Elements on lines of their own, indented, where the enclosing group is broken."""
    return [*wrap(Kind.INDENT, [Element(Kind.LINE), *content]), Element(Kind.LINE)]


def commas(items: list[Elements]) -> Elements:
    """Items between commas; if they break, a comma follows the last of several."""
    joined = [
        e for item in items for e in (*text(","), Element(Kind.LINE, " "), *item)
    ][2:]
    return [*joined, Element(Kind.BROKEN_TEXT, ",")] if len(items) > 1 else joined


def lines(elements: Elements, indent: int, width: int) -> list[str]:
    """The elements as lines of text, each with its indent in columns."""
    printer = _Printer(elements, indent, width)
    printer.print()
    return printer.lines


class _Printer:
    """Prints elements from left to right, measuring ahead at each group."""

    def __init__(self, elements: Elements, indent: int, width: int) -> None:
        self.elements = elements
        self.width = width
        self.lines = [" " * indent]
        self.frames = [Frame(flat=False, indent=indent)]
        self.outer = False  # whether the outer parentheses are there
        self.measured = False  # whether what is flat is known to fit

    def print(self) -> None:
        index = 0
        while index < len(self.elements):
            kind, content = self.elements[index]
            index += 1
            frame = self.frames[-1]
            if kind is Kind.END:
                self.frames.pop()
                if frame.parenthesized:
                    self.new_line(self.frames[-1].indent)
                    self.lines[-1] += ")"
            elif kind is Kind.TEXT or (kind is Kind.BROKEN_TEXT and not frame.flat):
                self.lines[-1] += content
            elif kind is Kind.LINE or (kind is Kind.OUTER_LINE and self.outer):
                if frame.flat:
                    self.lines[-1] += content
                else:
                    self.new_line(frame.indent)
            elif kind is Kind.OUTER_LINE:
                self.lines[-1] += content
            elif kind is not Kind.BROKEN_TEXT:
                self.frames.append(self.entered(kind, frame, index))

    def entered(self, kind: Kind, frame: Frame, index: int) -> Frame:
        """The frame for what an element wraps, which starts at the index."""
        frame = frame._replace(parenthesized=False)
        if kind is Kind.GROUP or (kind is Kind.GROUP_IN_OUTER and self.outer):
            return frame._replace(flat=self.fits_flat(frame, index))
        if kind is Kind.OUTER_GROUP:
            self.outer = False
            flat = self.fits_flat(frame, index)
            self.outer = not flat
            return frame._replace(flat=flat)
        if kind is Kind.INDENT or (kind is Kind.INDENT_IN_OUTER and self.outer):
            return frame._replace(indent=frame.indent + INDENT)
        if kind is Kind.BRACKETS and not self.outer:
            self.measured = False  # it was measured as if all of it were broken
        if kind is Kind.BEST_FIT:
            return self.parenthesized(frame, index)
        return frame

    def parenthesized(self, frame: Frame, index: int) -> Frame:
        """Adds the outer parentheses if what follows fits with them and not without."""
        self.outer = False
        if self.fits_flat(frame, index):
            return frame._replace(flat=True)
        self.outer = True
        inner = Frame(
            False, frame.indent + INDENT, first_line=False, parenthesized=True
        )
        start = len(self.lines[-1]) + 1 <= self.width
        if not (start and self.fits(inner, index, inner.indent)):
            self.outer = False
            return frame._replace(flat=True)
        self.lines[-1] += "("
        self.new_line(inner.indent)
        return inner

    def new_line(self, indent: int) -> None:
        self.lines.append(" " * indent)
        self.measured = False

    def fits_flat(self, frame: Frame, index: int) -> bool:
        if frame.flat and self.measured:
            return True
        self.measured = True
        return self.fits(frame._replace(flat=True), index, len(self.lines[-1]))

    def fits(self, frame: Frame, index: int, column: int) -> bool:
        """Whether what starts at the index fits, up to the first break after it."""
        frames = [*self.frames, frame]
        for kind, content in self.elements[index:]:
            frame = frames[-1]
            if kind is Kind.END:
                frames.pop()
                if frame.parenthesized:
                    column = frames[-1].indent
                    content = ")"
            elif kind is Kind.LINE or (kind is Kind.OUTER_LINE and self.outer):
                if not frame.flat:
                    if frame.first_line:
                        return True
                    column, content = frame.indent, ""
            elif kind is Kind.BROKEN_TEXT and frame.flat:
                content = ""
            elif kind is Kind.INDENT or (kind is Kind.INDENT_IN_OUTER and self.outer):
                deeper = frame.indent + INDENT
                frames.append(frame._replace(indent=deeper, parenthesized=False))
            elif kind is Kind.BRACKETS and frame.flat and not self.outer:
                broken = Frame(False, frame.indent, first_line=False, overflow=True)
                frames.append(broken)
            elif kind not in (Kind.TEXT, Kind.BROKEN_TEXT, Kind.OUTER_LINE):
                frames.append(frame._replace(parenthesized=False))
            column += len(content)
            if content and column > self.width and not frame.overflow:
                return False
        return True
