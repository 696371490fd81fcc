"""Arrays of one run enter; which of them is a layer's value, and how far from it, leaves.

A program calls most of what it computes by no name, and an edited one may call it otherwise. So
the value of a layer is the array of the run that is nearest to what the reference has there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

PROBES = 256  # numbers of each array that are compared at first
FINALISTS = 4  # arrays that are then compared whole


class Match(NamedTuple):
    """The nearest array to an expected one.

    Args:
        gap: the largest difference, relative to the largest expected value.
        where: index of the largest difference, the sample first.
        expected, found: the values there.
    """

    gap: float
    where: tuple[int, ...]
    expected: float
    found: float
    array: Array


def compare(expected: Array, found: Array) -> Match:
    """Two arrays of one shape."""
    if not expected.size:
        return Match(0.0, (), 0.0, 0.0, found)
    differences = np.abs(expected - found).astype(np.float64, copy=False)
    differences[~np.isfinite(differences)] = np.inf
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    differences[same] = 0  # equal infinities, too
    where = np.unravel_index(int(np.argmax(differences)), expected.shape)
    largest = float(np.abs(expected[np.isfinite(expected)]).max(initial=0))
    difference = float(differences[where])
    gap = difference / largest if largest else (np.inf if difference else 0.0)
    place = tuple(int(i) for i in where)
    return Match(gap, place, float(expected[where]), float(found[where]), found)


class Run:
    """What one run of a program computed.

    `idle` are the paths of modules that it never called, `unread` those of layers that it made
    and left out of the model, because nothing reads them.
    """

    def __init__(self) -> None:
        self._by_shape: dict[tuple[int, ...], list[Array]] = {}
        self._named: dict[str, Array] = {}
        self._probes: dict[tuple[int, ...], Array] = {}
        self.idle: set[str] = set()
        self.unread: set[str] = set()
        self._taken: set[tuple[int, tuple[int, ...]]] = set()
        self._promised: dict[str, tuple[int | None, ...]] = {}

    def add(self, array: Array, name: str = "") -> None:
        self._by_shape.setdefault(array.shape, []).append(array)
        self._probes.pop(array.shape, None)
        if name:
            self._named[name] = array

    def promise(self, shape: tuple[int | None, ...], name: str) -> None:
        """What a layer will make, where a program knows that before it runs."""
        self._promised[name] = shape

    def take(self, arrays: Iterable[Array]) -> None:
        """From now on these are no other layer's."""
        self._taken |= {_place(array) for array in arrays}

    def match(self, expected: Array, limit: float) -> Match | None:
        """The nearest array of that shape; None where none is near."""
        candidates = self._by_shape.get(expected.shape, [])
        best = self._nearest(expected, candidates, limit) if candidates else None
        return best if best is not None and best.gap <= limit else None

    def own(self, expected: Array, name: str) -> Match | None:
        """What a layer makes whose value is none: what is called so, or the nearest.

        None where there is nothing of that shape, or what is called so has another.
        """
        named = self._named.get(name)
        if named is not None:
            return compare(expected, named) if named.shape == expected.shape else None
        matches = [compare(expected, array) for array in self.others(expected)]
        return min(matches, key=lambda match: match.gap, default=None)

    def others(self, expected: Array) -> list[Array]:
        """What has that shape and was taken by no layer."""
        candidates = self._by_shape.get(expected.shape, [])
        return [array for array in candidates if _place(array) not in self._taken]

    def _nearest(
        self, expected: Array, candidates: list[Array], limit: float
    ) -> Match | None:
        picked = _positions(expected.size)
        if expected.shape not in self._probes:
            rows = [array.reshape(-1)[picked] for array in candidates]
            self._probes[expected.shape] = np.stack(rows)
        apart = np.abs(self._probes[expected.shape] - expected.reshape(-1)[picked])
        order = np.argsort(np.nan_to_num(apart, nan=np.inf).max(1), kind="stable")
        best: Match | None = None
        for index in order[:FINALISTS]:
            match = compare(expected, candidates[index])
            if best is None or match.gap < best.gap:
                best = match
            if best.gap <= limit:
                break
        return best

    def named_shape(self, name: str) -> tuple[int | None, ...] | None:
        """The shape of what that layer made, if the program has one of that name."""
        found = self._named.get(name)
        return self._promised.get(name) if found is None else found.shape


def _place(array: Array) -> tuple[int, tuple[int, ...]]:
    """The same for two views of one array; a run keeps all that it made."""
    return array.__array_interface__["data"][0], array.shape


def _positions(size: int) -> Array:
    """Where arrays of a size are compared at first: the same places each time."""
    if size <= PROBES:
        return np.arange(size)
    return np.random.Generator(np.random.PCG64(size)).integers(0, size, PROBES)
