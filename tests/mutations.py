"""One-mistake mutations: a right spec enters, the same with one slip leaves, with its line.

Each kind of slip is a function of (lines, rng) that gives the changed lines and the number of
the line that holds the slip, or None where this spec offers no place for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

Change = tuple[list[str], int] | None
Slip = Callable[[list[str], random.Random], Change]

_PAIR = re.compile(r"([a-z_]+): ")
_NUMBER = re.compile(r"(?<=: )\d+(?=[,}\n]|$)")


class Mutation(NamedTuple):
    spec: str
    slip: str
    text: str
    line: int  # from 1


def _places(lines: list[str], pattern: str) -> list[tuple[int, re.Match[str]]]:
    """Where a pattern stands in the lines of the network, comments aside."""
    found = []
    for number, line in enumerate(lines):
        if line.startswith(("data:", "train:")):
            break  # read by later stages
        if not line.lstrip().startswith("#"):
            found += [(number, match) for match in re.finditer(pattern, line)]
    return found


def _swap(lines: list[str], number: int, match: re.Match[str], new: str) -> Change:
    line = lines[number]
    changed = line[: match.start()] + new + line[match.end() :]
    return [*lines[:number], changed, *lines[number + 1 :]], number + 1


def _edit(pattern: str, change: Callable[[re.Match[str], random.Random], str]) -> Slip:
    def slip(lines: list[str], rng: random.Random) -> Change:
        places = _places(lines, pattern)
        if not places:
            return None
        number, match = rng.choice(places)
        return _swap(lines, number, match, change(match, rng))

    return slip


def _typo(word: str, rng: random.Random) -> str:
    """Two letters swapped, one doubled, or one left out, as fingers do."""
    at = rng.randrange(1, len(word) - 1)
    kinds = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]]
    if word[at] != word[at + 1]:
        kinds.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    return rng.choice(kinds)


def _misspell(match: re.Match[str], rng: random.Random) -> str:
    return _typo(match.group(), rng)


def _duplicate_key(lines: list[str], rng: random.Random) -> Change:
    places = _places(lines, r"[{ ]((filters|kernel|units|stride|width): [^,}]+)[,}]")
    if not places:
        return None
    number, match = rng.choice(places)
    line = lines[number]
    end = line.index("}", match.start())
    changed = f"{line[:end]}, {match.group(1)}{line[end:]}"
    return [*lines[:number], changed, *lines[number + 1 :]], number + 1


def _remove_line(pattern: str) -> Slip:
    """The slip shows where the next layer misses what was removed."""

    def slip(lines: list[str], rng: random.Random) -> Change:
        places = _places(lines, pattern)
        if not places:
            return None
        number, _ = rng.choice(places)
        return [*lines[:number], *lines[number + 1 :]], number + 1

    return slip


def _indent(by: int) -> Slip:
    def slip(lines: list[str], rng: random.Random) -> Change:
        places = _places(lines, r"^ +(?=- |[a-z_]+:)")
        number, match = rng.choice(places)
        width = len(match.group()) + by
        return _swap(lines, number, match, " " * max(width, 0)) if width >= 0 else None

    return slip


SLIPS: dict[str, Slip] = {
    "misspelt key": _edit(
        r"\b(filters|kernel|stride|padding|units|width|repeat)(?=:)", _misspell
    ),
    "misspelt section": _edit(
        r"^(name|vars|input|blocks|layers|cnnspec)(?=:)", _misspell
    ),
    "misspelt operation": _edit(
        r"(?<=- )(conv|max_pool|avg_pool|flatten|dense|batch_norm|relu|residual)\b",
        _misspell,
    ),
    "misspelt block": _edit(r"(?<=- )(basic_block|conv_bn|stage)(?=:)", _misspell),
    "misspelt variable": _edit(
        r"(?<=\$)(classes|size|filters|width|stride)\b", _misspell
    ),
    "misspelt word": _edit(r"(?<=activation: )[a-z]+", _misspell),
    "missing field": _edit(
        r"(?<!args: \{)(kernel|units|filters): [^,}~]+(, )?(?=[a-z}])", lambda m, r: ""
    ),
    "word for a number": _edit(
        _NUMBER.pattern, lambda m, r: r.choice(["three", "'3'", "[]"])
    ),
    "float for an integer": _edit(_NUMBER.pattern, lambda m, r: m.group() + ".5"),
    "negative": _edit(r"(?<=: )[1-9]\d*(?=[,}\n]|$)", lambda m, r: "-" + m.group()),
    "zero": _edit(
        r"(?<=filters: )\d+|(?<=units: )\d+|(?<=kernel: )\d+|(?<=width: )\d+",
        lambda m, r: "0",
    ),
    "boolean for a number": _edit(
        r"(?<=filters: )\d+|(?<=units: )\d+", lambda m, r: "true"
    ),
    "text for a boolean": _edit(r"(?<=bias: )false", lambda m, r: "no"),
    "kernel too large": _edit(r"(?<=kernel: )\d+(?=[,}])", lambda m, r: "2999"),
    "groups": _edit(r"(?<=filters: )\d+", lambda m, r: f"{m.group()}, groups: 1237"),
    "no colon": _edit(
        r"(?<=[a-z]): (?=\{)|(?<=[a-z]):$",
        lambda m, r: " " if m.group() == ": " else "",
    ),
    "no bracket": _edit(r"\}$", lambda m, r: ""),
    "bracket too much": _edit(r"\}$", lambda m, r: "}}"),
    "open quote": _edit(r"(?<=activation: )", lambda m, r: '"'),
    "no dash": _edit(r"(?<=^  )- (?=[a-z])", lambda m, r: ""),
    "no comma": _edit(r", (?=[a-z]+:)", lambda m, r: " "),
    "indented deeper": _indent(1),
    "indented less": _indent(-1),
    "tab": _edit(r"^  (?=[- ])", lambda m, r: "\t"),
    "duplicate key": _duplicate_key,
    "dense on maps": _remove_line(r"^  - (flatten|global_avg_pool)$"),
    "shapes differ": _edit(
        r"(?<=filters: )\$width(?=, kernel: 1)", lambda m, r: "$(width + 1)"
    ),
    "argument missing": _edit(
        r"(?<=basic_block: )\{width: \d+\}|(?<=stage: )\{filters: \d+, ",
        lambda m, r: "{" if "stage" in m.string else "{}",
    ),
    "unclosed expression": _edit(r"(?<=\$\()(.*)\)$", lambda m, r: m.group(1)),
    "expression without parentheses": _edit(
        r"\$(filters|units|classes|width)\b(?=[,}])", lambda m, r: m.group() + " * 2"
    ),
}


def mutate(specs: dict[str, str], seed: int, count: int) -> list[Mutation]:
    """Draws `count` different mutations, the kinds of slips in turn."""
    rng = random.Random(seed)
    found: dict[str, Mutation] = {}
    kinds = list(SLIPS)
    turn = 0
    while len(found) < count:
        kind = kinds[turn % len(kinds)]
        turn += 1
        spec = rng.choice(sorted(specs))
        lines = specs[spec].splitlines()
        change = SLIPS[kind](lines, rng)
        if change is None:
            continue
        text = "\n".join(change[0]) + "\n"
        if change[0] != lines:
            found.setdefault(text, Mutation(spec, kind, text, change[1]))
    return list(found.values())
