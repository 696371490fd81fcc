"""Pairs of layers enter, or layers that are left over; text for a terminal leaves."""

from __future__ import annotations

import json
import re
from math import prod

from cnnspec.spec import Spec
from cnnspec.weights.fit import few, shown
from cnnspec.weights.importing.adopt import GIVEN, Row
from cnnspec.weights.importing.matching import NAMES, UNSURE
from cnnspec.weights.importing.own import Own, layer_text, shape_text
from cnnspec.weights.importing.stored import Group, Stored

MARKS = {GIVEN: "=", NAMES: "~", UNSURE: "?"}
MEANINGS = {
    GIVEN: "given",
    NAMES: "told by their names from others of the same shapes",
    UNSURE: "a guess: others have the same shapes, and the names don't tell them apart",
}
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")  # needs no quotes in YAML
CONSTANTS = ("true", "false", "null")


def pairs_table(rows: list[Row]) -> str:
    """A line for each layer, and what the marks at their ends mean."""
    cells = [("file", "shape", "spec", "")]
    cells += [
        (shown(row.theirs.name), main_shape(row), row.ours, MARKS.get(row.basis, ""))
        for row in rows
    ]
    widths = [max(len(cell[column]) for cell in cells) for column in range(3)]
    lines = [
        "  ".join(
            [text.ljust(width) for text, width in zip(cell, widths, strict=False)]
        )
        + f"  {cell[3]}"
        for cell in cells
    ]
    counts = {basis: sum(row.basis == basis for row in rows) for basis in MARKS}
    meanings = [f"{MARKS[b]}  {n} {MEANINGS[b]}" for b, n in counts.items() if n]
    if counts[NAMES] or counts[UNSURE]:
        meanings.append(
            "To correct pairs: --write-map FILE.yaml, change names there, --map FILE.yaml"
        )
    lines += ["", *meanings] if meanings else []
    return "".join([f"{line.rstrip()}\n" for line in lines])


def main_shape(row: Row) -> str:
    """Of its kernel, or what else has the most numbers."""
    return shape_text(max(row.theirs.tensors.values(), key=prod))


def map_text(stored: Stored, rows: list[Row], spec: str) -> str:
    """The pairs as a YAML of names, what they are behind them."""
    lines = [
        f"# THEIRS: OURS, for {shown(spec)}. A line that is taken out is found anew."
    ]
    whole = {group.name: len(group.tensors) for group in stored.groups}
    for row in rows:
        comment = f"{main_shape(row)} {MARKS.get(row.basis, '')}".rstrip()
        pairs = {row.ours: row.theirs.name}
        if len(row.tensors) < whole[row.theirs.name]:
            pairs = row.tensors
        lines += [f"{_quoted(b)}: {_quoted(a)} # {comment}" for a, b in pairs.items()]
    used = {name for row in rows for name in row.tensors.values()}
    for group in stored.groups:
        unused = [name for name in group.tensors if name not in used]
        names = [group.name] if len(unused) == len(group.tensors) else unused
        lines += [f"{_quoted(name)}: ~" for name in names if unused]
    return "".join([f"{line}\n" for line in lines])


def _quoted(name: str) -> str:
    if PLAIN.fullmatch(name) and name.lower() not in CONSTANTS:
        return name
    return json.dumps(name)


def differences(theirs: list[Group], ours: list[Own], spec: Spec) -> list[str]:
    """Layers that the other side lacks, a line each, and what may help."""
    lines = few(
        [f"only in the file: {shown(g.name)}  {layer_text(g.tensors)}" for g in theirs]
    )
    lines += few(
        [f"only in the spec: {own.name}  {layer_text(own.tensors)}" for own in ours]
    )
    help = _help(theirs, ours, spec)
    return [*lines, f"help: {help}"] if help else lines


def _help(theirs: list[Group], ours: list[Own], spec: Spec) -> str | None:
    if not ours:
        return "a layer that the spec does without is left out by `NAME: ~` in --map"
    sizes = _other_sizes(theirs, ours)
    if len(sizes) == 1:
        ((mine, other),) = sizes
        for name, value in spec.variables.items():
            if value == mine and type(value) is int:
                return f"`--set {name}={other}` gives the spec the file's size"
    return None


def _other_sizes(theirs: list[Group], ours: list[Own]) -> set[tuple[int, int]]:
    """The sizes that differ, (the spec's, the file's), where nothing else does."""
    found: set[tuple[int, int]] = set()
    if len(theirs) != len(ours):
        return found
    for group, own in zip(theirs, ours, strict=True):
        shapes = [*group.tensors.values()], [*own.tensors.values()]
        if [*map(len, shapes[0])] != [*map(len, shapes[1])]:
            return set()
        for other, mine in zip(*shapes, strict=True):
            found |= {(a, b) for a, b in zip(mine, other, strict=True) if a != b}
    return found
