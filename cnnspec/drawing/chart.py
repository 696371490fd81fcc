"""A Picture enters; its boxes, the clusters around them and its arrows leave.

This is what Mermaid and DOT draw: they find the places themselves.
"""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.drawing.picture import (
    TIMES,
    WEIGHTS,
    Box,
    Fork,
    Group,
    Item,
    Picture,
    Sequence,
)

SHORTCUT = "shortcut"


class Spot(NamedTuple):
    """A box. `clusters` are those around it, the outermost first."""

    name: str
    rows: tuple[str, ...]
    kind: str
    dashed: bool


class Cluster(NamedTuple):
    """A block that holds others: their names, or clusters."""

    name: str
    title: str
    dashed: bool
    inner: list[Spot | Cluster]


class Arrow(NamedTuple):
    source: str
    target: str
    text: str
    kind: str  # flow, side, weights, shortcut
    dashed: bool


class Chart:
    __slots__ = ("_ends", "_number", "arrows", "inner")

    def __init__(self, picture: Picture) -> None:
        self.inner: list[Spot | Cluster] = []
        self.arrows: list[Arrow] = []
        self._ends: dict[Item, str] = {}
        self._number = 0
        self._sequence(picture.body, None, self.inner, "flow")

    def _name(self) -> str:
        self._number += 1
        return f"n{self._number}"

    def _sequence(
        self,
        sequence: Sequence,
        start: str | None,
        inner: list[Spot | Cluster],
        kind: str,
    ) -> None:
        """Adds a list's items.

        Args:
            start: the box that the list's input comes from.
            kind: of the arrows that leave the start.
        """
        if start is not None:
            self._ends[sequence.entry] = start
        for item in sequence.items:
            first = item.flow is sequence.entry
            self._item(item, inner, kind if first else "flow")

    def _item(self, item: Item, inner: list[Spot | Cluster], kind: str) -> None:
        start = self._ends[item.flow] if item.flow is not None else None
        if isinstance(item, Fork):
            self._fork(item, start, inner, kind)
        elif isinstance(item, Group) and item.open:
            cluster = Cluster(self._name(), item.title, item.dashed, [])
            inner.append(cluster)
            self._sequence(item.body, start, cluster.inner, kind)
            self._ends[item] = self._ends[item.body.last]
        else:
            assert isinstance(item, Box | Group)
            rows = _rows(item)
            look = item.kind if isinstance(item, Box) else item.look
            spot = Spot(self._name(), rows, look, item.dashed)
            inner.append(spot)
            if start is not None:
                dashed = item.dashed and look != "closed"
                self._arrow(start, spot.name, item.reads, kind, dashed)
            self._links(item, spot.name)
            self._ends[item] = spot.name
        if isinstance(item, Group) and item.open:
            self._links(item, self._ends[item])

    def _links(self, item: Item, name: str) -> None:
        for link in item.links:
            source, dashed = self._ends[link.source], link.kind == WEIGHTS
            text = "weights" if dashed else link.shape
            self._arrow(source, name, text, link.kind, dashed)

    def _fork(
        self, fork: Fork, start: str | None, inner: list[Spot | Cluster], kind: str
    ) -> None:
        if fork.split is not None:
            split = Spot(self._name(), tuple(fork.split.rows), "merge", False)
            inner.append(split)
            if start is not None:
                self._arrow(start, split.name, fork.reads, kind, False)
            start = split.name
        leads = []
        for number, sequence in enumerate(fork.lists):
            lead = SHORTCUT if fork.residual and number == 1 else kind
            self._sequence(sequence, start, inner, lead)
            leads.append(lead if lead == SHORTCUT or not sequence.items else "flow")
        merge = Spot(self._name(), _rows(fork.merge), "merge", False)
        for sequence, lead in zip(fork.lists, leads, strict=True):
            end = self._ends[sequence.last]
            self._arrow(end, merge.name, sequence.last.gives, lead, False)
        inner.append(merge)
        self._ends[fork] = self._ends[fork.merge] = merge.name

    def _arrow(
        self, source: str, target: str, text: str, kind: str, dashed: bool
    ) -> None:
        self.arrows.append(Arrow(source, target, text, kind, dashed))


def _rows(item: Box | Group) -> tuple[str, ...]:
    """A box's lines, its count in the first one."""
    if isinstance(item, Group):
        return (item.title, *item.rows)
    rows = list(item.rows)
    if item.count > 1:
        rows[0] += f" {TIMES}{item.count}"
    if item.kind in ("input", "output"):
        rows[0] += f" {item.reads}"
    return tuple(rows)
