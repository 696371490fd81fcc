"""Names of layers that belong together enter; how well two other names go together leaves.

The names of a network are made of words that recur. Where `layer2.0.downsample.0` has turned
out to be `projection.conv`, `layer1.0.downsample.0` is another projection.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

_WORD = re.compile(r"[^./_]+")
_NUMBER = re.compile(r"([0-9]+)")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `conv2` before `conv10`."""
    parts = _NUMBER.split(name)
    return [(int(p), "") if i % 2 else (-1, p) for i, p in enumerate(parts)]


def without_numbers(name: str) -> str:
    """What the layers of a numbered row have in common."""
    return _NUMBER.sub("#", name)


def words_of(name: str) -> frozenset[str]:
    """The words of a name, those without the number at their end, and its beginnings.

    As in `layer1.conv2`: `layer1`, `layer#`, `conv2`, `conv#`, `^layer1`.
    """
    name, found = name.lower(), set()
    for match in _WORD.finditer(name):
        word = match.group()
        bare = word.rstrip("0123456789")
        found.add(word)
        if bare and bare != word:
            found.add(f"{bare}#")
        if match.end() < len(name):
            found.add(f"^{name[: match.end()]}")
    return frozenset(found)


class Words:
    """Which words of one network's names stand beside which of the other's."""

    def __init__(self) -> None:
        self._theirs: Counter[str] = Counter()
        self._ours: Counter[str] = Counter()
        self._both: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def learn(self, theirs: frozenset[str], ours: frozenset[str]) -> None:
        """These two belong together."""
        self._theirs.update(theirs)
        self._ours.update(ours)
        for word in theirs:
            self._both[word].update(ours)

    def agreement(self, theirs: frozenset[str], ours: frozenset[str]) -> float:
        """How many of their words go with ours, each counted as far as it does.

        A word goes with another as far as the two stand together: by Dice's coefficient,
        twice the common uses over all uses (L. R. Dice, "Measures of the amount of ecologic
        association between species", 1945). One that was never met is taken as it is.
        """
        return sum([self._fit(word, ours) for word in sorted(theirs)])

    def _fit(self, word: str, ours: frozenset[str]) -> float:
        beside = self._both.get(word)
        if beside is None:
            return float(word in ours and not word.isdigit())
        uses = self._theirs[word]
        common = beside.keys() & ours
        fits = [2 * beside[other] / (uses + self._ours[other]) for other in common]
        return max(fits, default=0.0)
