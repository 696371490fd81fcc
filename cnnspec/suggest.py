"""A misspelt name and the names that exist enter; the one probably meant leaves."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 64  # nothing of interest has a longer name, and distances cost its square


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, None where none is close.

    Close is a third of the word's letters in edits, or a common beginning of three
    letters (`convolution` for `conv`), which counts for less. Case does not count. Of
    equally close candidates the alphabetically first is taken, so that messages are stable.
    """
    if not 0 < len(word) <= LONGEST:
        return None
    typed = word.lower()
    best: tuple[int, str] | None = None
    limit = min(max(1, len(typed) // 3), len(typed) - 1)
    for candidate in candidates:
        known = candidate.lower()
        distance = _edits(typed, known, limit)
        begins = typed.startswith(known) or known.startswith(typed)
        if distance > limit and begins and min(len(typed), len(known)) >= 3:
            distance = limit + 1  # `con` is a slip for `conv` rather than for `concat`
        elif distance > limit:
            continue
        if best is None or (distance, candidate) < best:
            best = (distance, candidate)
            limit = distance  # what is farther away need not be measured to the end
    return best[1] if best else None


def _edits(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours from a to b.

    Returns: the number, or limit + 1 as soon as it is certain to exceed the limit.
    Source: the optimal string alignment distance, R. A. Wagner and R. Lowrance, "An
        Extension of the String-to-String Correction Problem", 1975.
    """
    if a == b:
        return 0
    if abs(len(a) - len(b)) > limit or len(set(a) - set(b)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        older, before, row = before, row, [i]
        for j, other in enumerate(b, start=1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and min(before) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
