"""A file's text enters; places in it (spans) and the lines to quote leave."""

from __future__ import annotations

import re
from typing import NamedTuple

# What libyaml counts as the end of a line (YAML 1.1, section 4.2): a line here and a
# line in a span must be the same thing, or the caret stands under the wrong text.
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class Span(NamedTuple):
    """A stretch of text: lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


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
