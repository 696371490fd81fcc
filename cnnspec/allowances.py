"""A spec's `# cnnspec: allow` comments enter; the diagnostics not silenced leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from cnnspec.diagnostics import ERROR, Bag, Diagnostic, severity_of
from cnnspec.source import SourceFile, Span

_MARK = "cnnspec: allow"
_EXAMPLE = "write `# cnnspec: allow CS401 -- the reason`"


class Allowance(NamedTuple):
    """Leave to silence one code on one line."""

    line: int
    code: str
    reason: str
    span: Span


def allowances(source: SourceFile, bag: Bag) -> list[Allowance]:
    """Finds comments such as `# cnnspec: allow CS401 -- the edge is black`.

    One behind an entry silences that line; one on a line of its own silences the next
    line that is neither blank nor a comment. Several codes are separated by commas.
    CS030 where a code or the reason is missing, or the code is that of an error.

    Args:
        source: a file that `yamltree.parse` accepts; in others what follows the first
            mistake is taken for comments.
    """
    if _MARK not in source.text:
        return []
    found: list[Allowance] = []
    scalars = _scalars(source.text)
    for number, line in enumerate(source.lines, start=1):
        match = re.search(r"(?:^|(?<=\s))#+ *cnnspec: allow\b(.*)", line)
        if not match:
            continue
        at = (number, match.start() + 1)
        if any(start <= at < end for start, end in scalars):
            continue
        span = Span(*at, number, len(line.rstrip()) + 1)
        listed, _, reason = match[1].partition("--")
        codes = [code.strip() for code in listed.split(",")]
        wrong = _wrong(codes, reason.strip())
        if wrong:
            bag.add("CS030", wrong, span, help=_EXAMPLE)
            continue
        silenced = (
            number if line[: match.start()].strip() else _next(source.lines, number)
        )
        found += [Allowance(silenced, code, reason.strip(), span) for code in codes]
    return found


def _scalars(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where texts stand that could hold a `#`: quoted ones and blocks."""
    places = []
    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        for event in events:
            if isinstance(event, yaml.ScalarEvent) and not event.implicit[0]:
                start: Any = event.start_mark
                end: Any = event.end_mark
                first = (start.line + 1, start.column + 1)
                if event.style in ("|", ">"):
                    # Behind the sign that opens a block there is room for a comment.
                    first = (start.line + 2, 1)
                places.append((first, (end.line + 1, end.column + 1)))
    except yaml.YAMLError:
        pass  # parse reports it
    return places


def _wrong(codes: list[str], reason: str) -> str | None:
    for code in codes:
        if not re.fullmatch("CS[0-9]{3}", code):
            return f"an allowance names codes, not `{code}`" if code else "which code?"
        if severity_of(code) == ERROR:
            return f"{code} is an error: only warnings and notes can be allowed"
    return None if reason else f"allowing {', '.join(codes)} takes a reason"


def _next(lines: list[str], number: int) -> int:
    """The first line after `number` that is neither blank nor a comment."""
    for later, line in enumerate(lines[number:], start=number + 1):
        bare = line.lstrip()
        if bare and not bare.startswith("#"):
            return later
    return number


def apply_allowances(
    diagnostics: Sequence[Diagnostic], allowed: Sequence[Allowance]
) -> list[Diagnostic]:
    """Leaves out the warnings and notes that are allowed on the line they begin on.

    An allowance that silences nothing gets a warning (CS480), unless there are errors:
    they may have kept its cause from being looked at.
    """
    if not allowed:
        return list(diagnostics)
    granted = {(it.line, it.code) for it in allowed}
    used = {(d.span.line, d.code) for d in diagnostics if d.severity != ERROR} & granted
    left = [d for d in diagnostics if (d.span.line, d.code) not in used]
    if any(d.severity == ERROR for d in left):
        return left
    for it in allowed:
        if (it.line, it.code) not in used:
            left.append(
                Diagnostic(
                    "CS480",
                    severity_of("CS480"),
                    f"there is no {it.code} to allow on line {it.line}",
                    it.span,
                    help="remove the comment",
                )
            )
    return sorted(left, key=lambda d: (d.span, d.code, d.message))
