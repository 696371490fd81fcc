"""A file's path or bytes enter; its text, spans and lines to quote leave."""

from __future__ import annotations

import os
import re
import stat
import sys
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag

MAX_BYTES = 1 << 20

# What libyaml counts as the end of a line (YAML 1.1, section 4.2): a line here and a
# line in a span must be the same thing, or the caret stands under the wrong text.
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

# Controls, format characters (bidirectional marks, zero widths, soft hyphen, tags),
# surrogates, line and paragraph separators: what a reader can't see but a tool obeys.
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Letters and marks that Unicode lists as Default_Ignorable_Code_Point (they show
# nothing), and the two noncharacters that YAML's `c-printable` leaves out.
_HIDDEN_OTHERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffe\uffff"


class Span(NamedTuple):
    """A stretch of text: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


START = Span(1, 1, 1, 1)


class SourceFile:
    """A spec's text under the name the user gave it.

    Args:
        name: the path as typed, for messages.
        text: the decoded text, without a byte order mark.
    """

    __slots__ = ("_lines", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The text's lines, split where libyaml splits them; line 1 is index 0."""
        if self._lines is None:
            self._lines = LINE_BREAK.split(self.text)
        return self._lines

    def span(self, start: int, end: int) -> Span:
        """The span of `text[start:end]`."""
        return Span(*_place(self.text, start), *_place(self.text, end))


def _place(text: str, index: int) -> tuple[int, int]:
    """Line and column of the character at `index`, both from 1."""
    line, column = 1, index + 1
    for match in LINE_BREAK.finditer(text, 0, index):
        line, column = line + 1, index - match.end() + 1
    return line, column


def read_source(path: str, bag: Bag) -> SourceFile:
    """Reads a spec; `-` is standard input.

    Never opens what is no regular file, and never reads more than one byte over 1 MiB.

    Returns: the file, its text empty or unfit for reading where the bag has errors
        (CS001 to CS005); it is then good for quoting lines only.
    """
    name = "<stdin>" if path == "-" else path
    data = b""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            mode = os.stat(path).st_mode
            if not stat.S_ISREG(mode):
                bag.add("CS002", f"{_kind(mode)} is no spec", START)
                return SourceFile(name, "")
            with open(path, "rb", buffering=0) as file:
                data = file.read(MAX_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        bag.add("CS001", f"cannot read the file: {reason}", START)
        return SourceFile(name, "")
    if len(data) > MAX_BYTES:
        bag.add(
            "CS003",
            "the file is larger than 1 MiB",
            START,
            help="say repeated layers with `repeat`, or as a block",
        )
        return SourceFile(name, "")
    return decode(name, data, bag)


def decode(name: str, data: bytes, bag: Bag) -> SourceFile:
    """Turns a file's bytes into text, without a byte order mark (CS004, CS005)."""
    wide = _wide_encoding(data)
    if wide:
        bag.add(
            "CS004", f"the file is {wide}, not UTF-8", START, help="save it as UTF-8"
        )
        return SourceFile(name, "")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        source = SourceFile(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        # The bad bytes are quoted as `\xff`, four characters for each.
        source = SourceFile(name, data.decode("utf-8", "backslashreplace"))
        start = len(data[: error.start].decode("utf-8"))
        bag.add(
            "CS004",
            "the file is not UTF-8",
            source.span(start, start + 4 * (error.end - error.start)),
            f"byte 0x{data[error.start]:02X} at offset {error.start}",
            help="save the file as UTF-8",
        )
        return source
    at = find_hidden(source.text)
    if at is not None:
        bag.add(
            "CS005",
            f"{describe_hidden(source.text[at])} is not allowed in a spec",
            source.span(at, at + 1),
            "here",
            help="remove it",
        )
    return source


def find_hidden(text: str) -> int | None:
    """Index of the first character that a spec may not hold: one that nobody sees.

    Tabs and line ends are allowed; controls, bidirectional, zero-width and other
    invisible characters are not, for generated programs carry a spec's text.
    """
    bare = text.replace("\n", "").replace("\t", "").replace("\r", "")
    if bare.isprintable() and (
        bare.isascii() or not any(char in bare for char in _HIDDEN_OTHERS)
    ):
        return None
    for index, char in enumerate(text):
        if char.isprintable():
            if char in _HIDDEN_OTHERS:
                return index
        elif char not in "\n\t\r" and (
            char in _HIDDEN_OTHERS or unicodedata.category(char) in _HIDDEN_CATEGORIES
        ):
            return index
    return None


def describe_hidden(char: str) -> str:
    """Such as `U+202E (right-to-left override)`."""
    default = "control character" if ord(char) < 0xA0 else "invisible character"
    return f"U+{ord(char):04X} ({unicodedata.name(char, default).lower()})"


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 and UTF-32 by byte order mark, or by the zeros around the first letter."""
    head = data[:4]
    if head in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") or (
        len(head) == 4 and head.count(0) == 3
    ):
        return "UTF-32"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    if (
        len(head) >= 2
        and head[:2].count(0) == 1
        and head[2:].count(0) == len(head) // 2 - 1
    ):
        return "UTF-16"
    return None
