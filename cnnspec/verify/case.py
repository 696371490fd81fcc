"""A layer's value as it should be and as it is; whether a guess explains it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

LEFT = 0.03  # of the difference that a cause may leave unexplained,
EXACT = 1e-4  # and of the largest value


class Case(NamedTuple):
    """A layer's value as it should be and as it is.

    Args:
        expected, found: (N, C, ...) float64, a sequence's features at C, too.
        inputs: what the layer reads, likewise.
    """

    op: str
    expected: Array
    found: Array
    inputs: Sequence[Array]

    def is_found(self, guess: Array) -> bool:
        """Whether a guess explains what was found."""
        return self.is_near(guess, self.found)

    def is_near(self, one: Array, other: Array) -> bool:
        if one.shape != other.shape or not one.size:
            return False
        return bool(np.abs(one - other).max() <= self.tolerance)

    @property
    def tolerance(self) -> float:
        largest = max(np.abs(self.expected).max(), np.abs(self.found).max())
        return float(min(LEFT * self.apart, EXACT * largest))

    @property
    def apart(self) -> float:
        return float(np.abs(self.expected - self.found).max())

    @property
    def spatial(self) -> tuple[int, ...]:
        return tuple(range(2, self.expected.ndim))

    @property
    def wrong(self) -> Array:
        """Where it differs."""
        found: Array = np.abs(self.expected - self.found) > LEFT * self.apart
        return found
