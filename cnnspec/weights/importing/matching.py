"""The layers of two networks enter, by name and shapes; which of them are the same leaves.

Layers whose shapes occur once belong together. So do those of equal shapes in the order in
which they stand, as far as one feeds the other: every program keeps that order. Between equal
branches it may keep another one, and there the names decide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable
from math import inf
from typing import NamedTuple

from cnnspec.weights.importing.words import Words, natural, without_numbers

ORDER, NAMES, UNSURE = "order", "names", "unsure"
LEAST = 0.25  # of a word: what the names must say more for a pair than for another


class Place(NamedTuple):
    """A layer that is to be found on the other side.

    Args:
        kinds: what its tensors may look like on the other side; of theirs there is one.
        before, after: bits of the layers of its own side that certainly stand there.
    """

    name: str
    words: frozenset[str]
    kinds: tuple[Hashable, ...]
    before: int = 0
    after: int = 0


class Pair(NamedTuple):
    """Their layer and ours, by number, and what says so: ORDER, NAMES or UNSURE."""

    theirs: int
    ours: int
    basis: str


class Unmatched(Exception):
    """The numbers of layers whose shapes the other side lacks."""

    def __init__(self, theirs: list[int], ours: list[int]) -> None:
        super().__init__(theirs, ours)
        self.theirs = theirs
        self.ours = ours


def match(
    theirs: list[Place],
    ours: list[Place],
    ordered: bool,
    known: list[tuple[int, int]],
    waiting: tuple[list[int], list[int]],
) -> list[Pair]:
    """Finds for each of their layers the one of ours.

    Args:
        ordered: whether theirs stand in an order in which they can run; else what is known
            of their order stands in `before` and `after`.
        known: pairs whose words are to be learned from.
        waiting: the layers that are to be paired, theirs and ours.

    Raises: Unmatched.
    """
    search = _Search(theirs, ours, ordered)
    for i, j in known:
        search.words.learn(theirs[i].words, ours[j].words)
    search.settle(_alike(theirs, ours, ordered, waiting))
    return search.pairs


def _alike(
    theirs: list[Place],
    ours: list[Place],
    ordered: bool,
    waiting: tuple[list[int], list[int]],
) -> list[_Alike]:
    """The layers of each kind, as many on either side."""
    kind_of: dict[Hashable, Hashable] = {}
    for others in (False, True):  # a layer's own kind goes before what it also takes
        for j in waiting[1]:
            own, *rest = ours[j].kinds
            for kind in rest if others else [own]:
                kind_of.setdefault(kind, own)
    sides: defaultdict[Hashable, tuple[list[int], list[int]]]
    sides = defaultdict(lambda: ([], []))
    for side, places in enumerate((theirs, ours)):
        for index in waiting[side]:
            kind = places[index].kinds[0]
            sides[kind_of.get(kind, kind)][side].append(index)
    left = Unmatched([], [])
    for mine, other in sides.values():
        left.theirs.extend(mine[len(other) :])
        left.ours.extend(other[len(mine) :])
    if left.theirs or left.ours:
        left.theirs.sort()
        left.ours.sort()
        raise left
    if ordered:
        return [_Alike(mine, other, ours) for mine, other in sides.values()]
    return [_Alike(other, mine, theirs) for mine, other in sides.values()]


class _Alike:
    """Layers of equal shapes that are not paired yet.

    `line` are those of the side whose order is known, `loose` those of the other side, where
    only some are in order.
    """

    def __init__(self, line: list[int], loose: list[int], places: list[Place]) -> None:
        self.line = line
        self.loose = loose
        self.basis = NAMES
        self.is_torn = False  # what the names told left no way to keep the order
        self._places = places
        self._bits = sum([1 << index for index in loose])
        self._behind: dict[int, int] = {}  # of the line, what is paired before it
        self._ahead: dict[int, int] = {}

    def _spots(self, y: int) -> range:
        """Where in the line it may stand: behind all that must come before it."""
        place, line = self._places[y], self.line
        before = (place.before & self._bits).bit_count()
        after = (place.after & self._bits).bit_count()
        start = bisect_right(line, self._behind.get(y, -1))
        stop = bisect_left(line, self._ahead[y]) if y in self._ahead else len(line)
        return range(max(before, start), min(len(line) - after, stop))

    def _needed(self) -> dict[int, int]:
        """Places in the line that are the only one of a layer."""
        spots = [(self._spots(y), y) for y in self.loose]
        return {spot[0]: y for spot, y in spots if len(spot) == 1}

    def _pairs(self) -> list[tuple[int, int]]:
        needed = self._needed()
        return [
            (self.line[at], y)
            for y in self.loose
            for at in self._spots(y)
            if needed.get(at, y) == y
        ]

    def allowed(self) -> list[tuple[int, int]]:
        """Every pair that keeps the order; there is one for each layer."""
        pairs = self._pairs()
        if len({x for x, _ in pairs}) == len({y for _, y in pairs}) == len(self.line):
            return pairs
        self.is_torn, self.basis = True, UNSURE
        self._behind.clear()
        self._ahead.clear()
        return self._pairs()

    def allows(self, x: int, y: int) -> bool:
        at = bisect_left(self.line, x)
        if at == len(self.line) or self.line[at] != x or not self._bits >> y & 1:
            return False
        return at in self._spots(y) and self._needed().get(at, y) == y

    def take_sure(self) -> list[tuple[int, int]]:
        """What has but one place in the line, whatever becomes of the others."""
        found = [(self.line[at], y) for at, y in self._needed().items()]
        taken, done = {x for x, _ in found}, {y for _, y in found}
        self.line = [x for x in self.line if x not in taken]
        self.loose = [y for y in self.loose if y not in done]
        self._bits = sum([1 << y for y in self.loose])
        return found

    def take(self, x: int, y: int) -> None:
        self.line.remove(x)
        self.loose.remove(y)
        self._bits ^= 1 << y
        for other in self.loose:
            if self._places[other].before >> y & 1:
                self._behind[other] = max(x, self._behind.get(other, x))
            if self._places[other].after >> y & 1:
                self._ahead[other] = min(x, self._ahead.get(other, x))


class _Guess(NamedTuple):
    """A pair that is allowed.

    Args:
        lead: how much the names say more for it than for any other of either layer.
        place: for what they don't tell: the order of theirs, then of ours.
    """

    lead: float
    place: tuple[int, int]
    x: int
    y: int
    alike: _Alike


def _in_order(guesses: list[_Guess]) -> list[_Guess]:
    """Those that the names say nothing against."""
    near = [guess for guess in guesses if guess.lead > -LEAST]
    return sorted(near, key=lambda guess: guess.place)


class _Search:
    """Pairs what is sure, then what the names tell most clearly, and learns from each."""

    def __init__(self, theirs: list[Place], ours: list[Place], ordered: bool) -> None:
        self.words = Words()
        self.pairs: list[Pair] = []
        self._theirs = theirs
        self._ours = ours
        self._ordered = ordered
        self._rank = _ranks([place.name for place in theirs])

    def settle(self, groups: list[_Alike]) -> None:
        for alike in groups:
            for x, y in alike.take_sure():
                self._pair(x, y, ORDER)
        while groups := [alike for alike in groups if alike.line]:
            self._decide(groups)

    def _decide(self, groups: list[_Alike]) -> None:
        """Takes the clearest guesses; without a clear one, those of one group in order."""
        guesses = [g for alike in groups for g in self._guesses(alike)]
        best = max([guess.lead for guess in guesses])
        if best < LEAST:
            self._go_on_in_order(_in_order(guesses)[0].alike)
            return
        due = [guess for guess in guesses if guess.lead >= max(best / 2, LEAST)]
        for guess in sorted(due, key=lambda guess: (-guess.lead, guess.place)):
            if guess.alike.allows(guess.x, guess.y):
                self._take(guess)

    def _go_on_in_order(self, alike: _Alike) -> None:
        """Until the words of what was taken make something clear."""
        while alike.line:
            guesses = self._guesses(alike)
            if max([guess.lead for guess in guesses]) >= LEAST:
                return
            for guess in _in_order(guesses):
                if alike.allows(guess.x, guess.y):
                    self._take(guess)
                    if self._recurs(guess):
                        break

    def _recurs(self, guess: _Guess) -> bool:
        """Whether layers that wait share a word with the one that was paired."""
        words = self._theirs[self._sides(guess.x, guess.y)[0]].words
        alike = guess.alike
        waiting = alike.line if self._ordered else alike.loose
        return any(words & self._theirs[i].words for i in waiting)

    def _take(self, guess: _Guess) -> None:
        alike = guess.alike
        if guess.lead < inf:  # else nothing else is left, after what was taken before
            is_clear = guess.lead >= LEAST and not alike.is_torn
            alike.basis = NAMES if is_clear else UNSURE
        alike.take(guess.x, guess.y)
        self._pair(guess.x, guess.y, alike.basis)

    def _guesses(self, alike: _Alike) -> list[_Guess]:
        scores = {}
        rows: defaultdict[tuple[bool, int], list[float]] = defaultdict(list)
        for x, y in alike.allowed():
            i, j = self._sides(x, y)
            score = self.words.agreement(self._theirs[i].words, self._ours[j].words)
            scores[x, y] = score
            rows[False, x].append(score)
            rows[True, y].append(score)
        for row in rows.values():
            row.sort()
        found = []
        for (x, y), score in scores.items():
            lead = min(_lead(score, rows[False, x]), _lead(score, rows[True, y]))
            i, j = self._sides(x, y)
            found.append(_Guess(lead, (self._rank[i], j), x, y, alike))
        return found

    def _sides(self, x: int, y: int) -> tuple[int, int]:
        """A pair as theirs and ours."""
        return (x, y) if self._ordered else (y, x)

    def _pair(self, x: int, y: int, basis: str) -> None:
        i, j = self._sides(x, y)
        self.pairs.append(Pair(i, j, basis))
        self.words.learn(self._theirs[i].words, self._ours[j].words)


def _ranks(names: list[str]) -> dict[int, int]:
    """Their order, but names that differ in numbers alone are in that of their numbers."""
    rows = defaultdict(list)
    for index, name in enumerate(names):
        rows[without_numbers(name)].append(index)
    ranks: dict[int, int] = {}
    for row in rows.values():
        by_number = sorted(row, key=lambda index: natural(names[index]))
        ranks |= dict(zip(by_number, row, strict=True))
    return ranks


def _lead(score: float, row: list[float]) -> float:
    """What a score is above the best other one of its row, which is sorted."""
    if len(row) == 1:
        return inf
    return score - (row[-2] if score == row[-1] else row[-1])
