"""What YAML readers trip over enters; diagnostics CS010 to CS025 leave.

Imported by the first mistake only: a right spec does not pay for these messages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnnspec.diagnostics import Bag, Label
from cnnspec.source import START, SourceFile, Span, describe_hidden, find_hidden

if TYPE_CHECKING:
    from cnnspec.yamltree import Node, Scalar

_MAX_CUT = 1000

# Plain texts that YAML 1.1 resolves to other values than YAML 1.2's core schema does
# (yaml.org/type/int.html, float.html, timestamp.html).
_ODD_NUMBERS = (
    ("number with a leading zero", r"[-+]?0[0-9]+"),
    ("octal number", r"[-+]?0o[0-7]+"),
    ("signed hexadecimal number", r"[-+]0x[0-9a-fA-F_]+"),
    ("hexadecimal number with underscores", r"0x[0-9a-fA-F]*_[0-9a-fA-F_]*"),
    ("binary number", r"[-+]?0b[01_]+"),
    ("number with colons", r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"),
    (
        "number with underscores",
        r"[-+]?[0-9]+(_+[0-9]*)+(\.[0-9_]*)?([eE][-+]?[0-9]+)?",
    ),
    ("date", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt\s].*)?"),
)

_NUMBER = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+"


def odd_number(text: str) -> str | None:
    """What is wrong with a number; None where the text is no number at all.

    Args:
        text: a plain scalar that begins like a number and is no integer or float.
    """
    if re.fullmatch(r"[-+]?\.(inf|nan)", text, re.IGNORECASE):
        return "not finite"
    for name, pattern in _ODD_NUMBERS:
        if re.fullmatch(pattern, text):
            return name
    return "too large" if re.fullmatch(_NUMBER, text) else None


def number(bag: Bag, text: str, span: Span, odd: str) -> None:
    """CS024 and CS025: `odd` comes from odd_number."""
    if odd == "not finite":
        bag.add("CS025", f"{text} is no finite number", span)
    elif odd == "too large":
        label = f"{len(text)} characters" if len(text) > 40 else ""
        bag.add("CS025", "number is too large", span, label)
    else:
        old, new = _readings(text, odd)
        article = "an" if odd[0] in "o" else "a"
        known = [reading for reading in (new, old) if reading.lstrip("-").isdecimal()]
        quoted = f'quote it: "{text}"'
        bag.add(
            "CS024",
            f"YAML readers disagree on {article} {odd}",
            span,
            f"{old} in YAML 1.1, {new} in YAML 1.2",
            help=f"write {known[0]}, or for text {quoted}" if known else quoted,
        )


def _readings(text: str, odd: str) -> tuple[str, str]:
    """What YAML 1.1 and YAML 1.2 make of the text."""
    sign = "-" if text[0] == "-" else ""
    bare = text.lstrip("+-").replace("_", "")
    if odd == "date":
        return "a date", "text"
    if odd == "number with colons":
        total = 0
        for part in bare.partition(".")[0].split(":"):
            total = total * 60 + int(part)
        return f"{sign}{total}", "text"
    if odd == "number with underscores":
        return sign + bare, "text"
    if odd == "number with a leading zero":
        octal = bare.strip("01234567") == ""
        return (f"{sign}{int(bare, 8)}" if octal else "text"), f"{sign}{int(bare)}"
    if odd == "octal number":
        return "text", f"{sign}{int(bare, 8)}"
    base = 2 if odd == "binary number" else 16
    digits = bare[2:]
    return (f"{sign}{int(digits, base)}" if digits else "text"), "text"


def hidden(bag: Bag, text: str, span: Span) -> None:
    """CS005 for an escape such as `\\u202e` in a quoted text."""
    at = find_hidden(text)
    assert at is not None
    bag.add(
        "CS005",
        f"{describe_hidden(text[at])} is not allowed in a spec",
        span,
        "written as an escape",
        help="remove it",
    )


def tag(bag: Bag, name: str, span: Span) -> None:
    shown = name.replace("tag:yaml.org,2002:", "!!", 1)
    bag.add("CS018", f"the YAML tag {shown} has no meaning", span, help="remove it")


def directive(bag: Bag, span: Span) -> None:
    bag.add(
        "CS018",
        "YAML directives have no meaning",
        span,
        help="remove the `%` line",
    )


def too_deep(bag: Bag, span: Span, limit: int) -> None:
    bag.add("CS013", f"nested deeper than {limit} levels", span)


def too_many_nodes(bag: Bag, span: Span, limit: int) -> None:
    bag.add("CS014", f"the file holds more than {limit:,} values", span)


def too_many_aliases(bag: Bag, span: Span, limit: int) -> None:
    bag.add("CS014", f"aliases repeat more than {limit:,} values", span)


def alias(bag: Bag, name: str, span: Span, anchors: list[str], inside: bool) -> None:
    """CS015 for a name without an anchor, CS016 for one inside its own anchor."""
    if inside:
        bag.add("CS016", f"*{name} stands inside &{name} itself", span)
        return
    known = ", ".join(f"&{anchor}" for anchor in anchors[:10])
    bag.add(
        "CS015",
        f"no anchor &{name} before this alias",
        span,
        notes=(f"anchors so far: {known}",) if known else (),
    )


def second_document(bag: Bag, span: Span) -> None:
    bag.add(
        "CS020",
        "a spec is one YAML document",
        span,
        "a second one begins here",
        help="remove the `---`, or make it a file of its own",
    )


def merge_key(bag: Bag, key: Scalar) -> None:
    bag.add(
        "CS017",
        "the merge key `<<` is not part of YAML 1.2",
        key.span,
        help="repeat the keys, or make a block with arguments",
    )


def wrong_key(bag: Bag, key: Node) -> None:
    text = getattr(key, "text", "")
    bag.add(
        "CS023",
        f"a key must be text, not {key.kind}",
        key.span,
        help=f'quote it: "{text}"' if text else None,
    )


def duplicate(bag: Bag, key: Scalar, first: Scalar) -> None:
    bag.add(
        "CS019",
        f"key `{key.text}` is given twice",
        key.span,
        "here again",
        related=(Label(first.span, "first here"),),
    )


def wrong_root(bag: Bag, root: Node | None) -> None:
    """CS021 for an empty file, CS022 for a list or a scalar."""
    if root is None or root.kind == "nothing":
        bag.add(
            "CS021",
            "the file is empty",
            START,
            help="begin with `cnnspec: 1`; `cnnspec explain CS021` shows a small spec",
        )
        return
    line, column = root.span[:2]
    bag.add(
        "CS022",
        f"a spec is a mapping, not {root.kind}",
        Span(line, column, line, column + 1),
        help="begin with `cnnspec: 1`",
    )


def cut(
    bag: Bag, source: SourceFile, start: int, end: int, in_flow: bool
) -> Span | None:
    """CS012 for a plain text that YAML ended inside a parenthesis.

    Args:
        start, end: where YAML sees the text, as indices.
        in_flow: it stands in braces or brackets.

    Returns: the whole expression's span; None where the text is as it was meant, or
        where the parenthesis is simply missing (CS2nn).
    """
    text = source.text
    expression = text.startswith("$", start) and not text.startswith("$$", start)
    whole = _closing(text, start, end, in_flow, expression)
    rest = text[end : end + _MAX_CUT].lstrip(" \t")
    by = rest[:1]
    if whole == end or not by or by in "\r\n" or not (expression or in_flow):
        return None
    if whole is None:
        if not expression or by in "]}":
            return None
        span = source.span(start, end)
        bag.add(
            "CS012",
            "this expression has no closing parenthesis",
            span,
            help="close it, and quote an expression that holds a comma",
        )
        return span
    whole_text = " ".join(text[start:whole].split())
    items = re.fullmatch(r"\(([\w$]+(?:, ?[\w$]+)*),? ?\)", whole_text)
    kind = "expression" if expression else "text"
    sign = "comma" if by == "," else f"`{by}`"
    span = source.span(start, whole)
    bag.add(
        "CS012",
        f"YAML cut this {kind} at the {sign}",
        span,
        f"YAML reads only `{text[start:end]}`",
        help=f"write a list: `[{items[1]}]`"
        if items
        else f"quote it: {quote(whole_text)}",
    )
    return span


def quote(text: str) -> str:
    """The text as a quoted YAML scalar on one line."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _closing(
    text: str, start: int, end: int, in_flow: bool, expression: bool
) -> int | None:
    """Where the parentheses opened before `end` are closed; `end` if none is open.

    Looks no further than the line, or 1,000 characters inside braces. In an expression
    parentheses in quotes don't count.
    """
    depth = 0
    quotes = ""
    for index in range(start, min(len(text), end + _MAX_CUT)):
        char = text[index]
        if index >= end:
            if depth <= 0 and not quotes:
                return index
            if char in "\r\n" and not in_flow:
                return None
        if quotes:
            quotes = "" if char == quotes else quotes
        elif expression and char in "\"'":
            quotes = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
    return max(end, len(text)) if depth <= 0 and not quotes else None
