"""What libyaml refuses enters; one diagnostic in a spec writer's words leaves."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from cnnspec.diagnostics import Bag, Label
from cnnspec.source import START, SourceFile
from cnnspec.yamlfaults import cut


class _Finding(NamedTuple):
    """A message and its place; `other` is a second place, `said` what it shows."""

    at: int
    message: str
    label: str = ""
    help: str | None = None
    other: int | None = None
    said: str = ""
    code: str = "CS010"


def syntax(bag: Bag, source: SourceFile, error: Any, scalar: Any) -> None:
    """CS010 for broken YAML, CS011 for a tab, CS012 for an expression in pieces.

    Args:
        error: PyYAML's exception.
        scalar: the event of the last scalar before it, None where there is none.
    """
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        bag.add("CS010", f"not YAML: {error}".partition("\n")[0], START)
        return
    text = source.text
    last = (scalar.start_mark.index, scalar.end_mark.index) if scalar else (0, 0)
    # At the end of the file the place to show is behind the last text.
    at = min(mark.index, len(text.rstrip()))
    opened = text.find("$(", last[1], at)
    if (
        opened > 0
        and text[opened - 1] in " [{,:"
        and cut(bag, source, opened, at, True)
    ):
        return
    opening = error.context_mark.index if error.context_mark else None
    found = _tab(text, mark) or _explain(text, error, at, opening, last)
    related: tuple[Label, ...] = ()
    if found.other is not None:
        related = (Label(source.span(found.other, found.other + 1), found.said),)
    bag.add(
        found.code,
        found.message,
        source.span(found.at, min(found.at + 1, len(text))),
        found.label,
        help=found.help,
        related=related,
    )


def _tab(text: str, mark: Any) -> _Finding | None:
    start = mark.index - mark.column
    line = text[start : mark.index + 1]
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if "\t" not in indent:
        return None
    return _Finding(
        start + indent.index("\t"),
        "a tab indents this line",
        "tab",
        "indent with spaces",
        code="CS011",
    )


def _explain(
    text: str, error: Any, at: int, opening: int | None, last: tuple[int, int]
) -> _Finding:
    """Says what libyaml's words mean, at the place where a hand must go."""
    problem = error.problem or "unreadable"
    char = text[at : at + 1]
    if "cannot start any token" in problem:
        return _Finding(
            at, f"a plain value can't begin with `{char}`", help="quote the value"
        )
    if "unexpected end of stream" in problem and opening is not None:
        return _Finding(opening, "this quote is never closed")
    if "expected ',' or" in problem and opening is not None:
        return _unclosed(text, at, opening)
    if "block sequence entries" in problem:
        return _Finding(
            at,
            "a list can't begin on the line of its key",
            help="begin the list on the next line, or write it in brackets",
        )
    if "node content" in problem:
        return _Finding(
            at, f"`{char}` stands where a value must be" if char else "no value"
        )
    if "expected ':'" in problem and opening is not None:
        return _Finding(opening, "this line has no `:`", "no key and no list entry")
    if "mapping values" in problem:
        return _second_colon(text, at)
    if "escape character" in problem:
        return _Finding(
            at - 1 if char != "\\" else at,
            "unknown escape in a quoted text",
            help="write `\\\\` for a backslash, or use single quotes",
        )
    if "expected key" in problem or "'-' indicator" in problem:
        return _misplaced(text, at, opening, last, "indicator" in problem)
    if "document start" in problem:
        return _Finding(at, "text after the end of the document")
    where = f" {error.context}" if error.context else ""
    return _Finding(at, f"not YAML: {problem}{where}")


def _unclosed(text: str, at: int, opening: int) -> _Finding:
    """A flow collection that goes on where it should be closed or have a comma."""
    bracket = text[opening]
    close = {"[": "]", "{": "}"}.get(bracket, "]")
    char = text[at : at + 1]
    foreign = re.compile(r"\$\{([^{}\n]*)\}").match(text, at - 1)
    if foreign:
        inner = foreign[1].strip()
        ours = f"${inner}" if inner.isidentifier() else f"$({inner})"
        return _Finding(
            at - 1, f"`{foreign[0]}` is no expression", help=f"write `{ours}`"
        )
    if not char or "\n" in text[opening:at]:
        return _Finding(opening, f"`{bracket}` is never closed", help=f"add `{close}`")
    words = re.split(r"[,{\[]|: ", text[opening:at])[-1].split()
    if char == ":" and len(words) > 1:
        return _Finding(
            text.rindex(words[-1], opening, at),
            f"no comma before `{words[-1]}`",
            help=f"put a comma before `{words[-1]}`",
        )
    return _Finding(
        at,
        f"expected `,` or `{close}`, found `{char}`",
        other=opening,
        said="opened here",
    )


def _second_colon(text: str, at: int) -> _Finding:
    """A `:` where YAML expects none: in a value, or after a line that has none."""
    start = text.rfind("\n", 0, at) + 1
    before = text[start:at]
    brace = re.match(r" *(?:- +)*(\w+):? ?(?=\{)", before)
    if brace and not brace[0].endswith(": "):
        return _Finding(
            start + brace.end(),
            f"no `: ` between `{brace[1]}` and `{{`",
            help=f"put `: ` between `{brace[1]}` and `{{`",
        )
    if ": " in before:
        line = text[start:].partition("\n")[0].partition(" #")[0].rstrip()
        pairs = re.fullmatch(r" *(?:- +)*(\w+): (\w+: [^:]+(?:, ?\w+: [^:]+)*)", line)
        if pairs:
            return _Finding(
                at,
                "a second `:` in one value",
                help=f"write `{pairs[1]}: {{{pairs[2]}}}`",
            )
        return _Finding(
            at, "a second `:` in one value", help="quote the value, or begin a new line"
        )
    indent = len(before) - len(before.lstrip())
    above = text[:start].rstrip()
    above_at = above.rfind("\n") + 1
    above = above[above_at:]
    above_indent = len(above) - len(above.lstrip())
    if above and indent == above_indent and ":" not in above:
        return _Finding(
            above_at + above_indent, "this line has no `:`", "no key and no list entry"
        )
    if before.lstrip().startswith("- ") and above.lstrip().startswith("- "):
        return _unlike(text, above_at, start)
    if re.fullmatch(r" *(- )?[A-Za-z_][A-Za-z0-9_]*", above):
        return _Finding(
            above_at + len(above),
            "this line has no `:`, though a key is indented under it",
            help=f"write `{above.strip()}:`, or indent the two alike",
            other=start + indent,
            said="indented deeper",
        )
    return _Finding(
        start + indent,
        "this key is indented deeper than the line above it, which has a value already",
        help="indent the two alike, or end the line above with `:`",
    )


def _misplaced(
    text: str, at: int, opening: int | None, last: tuple[int, int], in_list: bool
) -> _Finding:
    """A line whose indentation fits nothing, or text behind a finished value."""
    begin, end = last
    start = text.rfind("\n", 0, at) + 1
    if text[start:at].strip():
        if text[begin : begin + 1] in ("'", '"') and "\n" in text[begin:end]:
            return _Finding(
                begin,
                "this quote is closed on another line",
                other=end - 1,
                said="closed here",
            )
        return _Finding(
            at,
            "text behind a finished value",
            help="quote the whole value, or begin a new line",
        )
    if opening is None:
        return _Finding(at, "indentation fits no line above")
    first = text.rfind("\n", 0, opening) + 1
    lead, dash = text[opening : opening + 1], text.startswith("- ", at)
    if dash and lead == "-" and text[opening + 1 : opening + 2] not in (" ", "\n", ""):
        return _Finding(opening, "`-` is not followed by a space", help="write `- `")
    if (
        dash
        and lead != "-"
        and opening - first == at - start
        and _entries(text, first, start) <= _entries(text, start, len(text))
    ):
        return _Finding(
            opening,
            "this line has no `- `, though list entries follow",
            help="begin each entry of a list with `- `",
            other=at,
            said="the list goes on",
        )
    siblings = [_shallowest_deeper(text, start)]
    if not text[first:opening].strip():
        siblings.append(first)
    for sibling in siblings:
        if sibling is not None and text[sibling:].lstrip().startswith("- ") == dash:
            return _unlike(text, sibling, start)
    return _Finding(
        at,
        "a list entry must begin with `- `"
        if in_list
        else "indentation fits no line above",
        other=opening,
        said="the list begins here" if in_list else "the mapping begins here",
    )


def _unlike(text: str, one: int, two: int) -> _Finding:
    """Two lines that are not indented alike: the one whose depth is rarer in the file.

    Args:
        one, two: where the lines begin.
    """
    depths = [len(line) - len(line.lstrip(" ")) for line in text.split("\n") if line]
    a, b = (len(re.match(" *", text[at:]).group()) for at in (one, two))  # type: ignore[union-attr]
    rank = [(depths.count(depth), depth % 2 == 0) for depth in (a, b)]
    wrong, right = (one, two) if rank[0] < rank[1] else (two, one)
    wrong_depth, right_depth = (a, b) if wrong == one else (b, a)
    return _Finding(
        wrong + wrong_depth,
        "this line is not indented like the others of its list or mapping",
        _spaces(wrong_depth),
        other=right + right_depth,
        said=_spaces(right_depth),
    )


def _spaces(count: int) -> str:
    return f"{count} space{'s' * (count != 1)}"


def _shallowest_deeper(text: str, start: int) -> int | None:
    """Where the shallowest of the deeper lines right above a line begins; None without one."""
    depth = len(re.match(" *", text[start:]).group())  # type: ignore[union-attr]
    found, least, end = None, 0, start
    while end > 0:
        begin = text.rfind("\n", 0, end - 1) + 1
        line = text[begin : end - 1]
        here = len(line) - len(line.lstrip(" "))
        if line.strip() and here <= depth:
            break
        if line.strip() and (found is None or here <= least):
            found, least = begin, here
        end = begin
    return found


def _entries(text: str, start: int, end: int) -> int:
    """Lines from one on that are as deep as it, until one that is less deep."""
    lines = text[start:end].split("\n")
    depth = len(lines[0]) - len(lines[0].lstrip())
    count = 0
    for line in lines:
        here = len(line) - len(line.lstrip())
        if line.strip() and here < depth:
            break
        count += bool(line.strip()) and here == depth
    return count
