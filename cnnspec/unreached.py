"""A spec and its graph enter; what is wrong where the network never comes goes into the bag.

Settings of layers are read as the network unrolls. What a false `when` drops, a `repeat` of 0 or
a block that nobody uses is not unrolled; what is plainly wrong there is reported all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.findings import Findings
from cnnspec.graph import Scope
from cnnspec.spec import entries_of

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.graph import Graph
    from cnnspec.spec import Entry, Spec

CONDITIONS = ("when", "trainable", "connect")


def check_unreached(spec: Spec, graph: Graph, file: str, bag: Bag) -> None:
    """Conditions that are neither true nor false, and counts that are none (CS206, CS207)."""
    findings = Findings(spec, graph, file, bag)
    bodies = [spec.layers, *(block.layers for block in spec.blocks.values())]
    for entry in [entry for body in bodies for entry in entries_of(body)]:
        occurrences = graph.occurrences.get(entry, ())
        if not any(occurrence.kept for occurrence in occurrences):
            _check(entry, CONDITIONS[1 if occurrences else 0 :], findings)


def _check(entry: Entry, conditions: tuple[str, ...], findings: Findings) -> None:
    nowhere = Scope(None, {}, "")
    for name in conditions:
        value = getattr(entry, name, None)
        if value is not None and not value.dynamic and type(value.tree) is not bool:
            findings.no_condition(value, value.tree, nowhere)
    count = entry.repeat
    if count is None or count.dynamic:
        return
    if type(count.tree) is not int or count.tree < 0:
        findings.no_count(count, count.tree, nowhere)
