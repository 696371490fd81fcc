"""Shapes of what flows between layers, without the batch."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

MAPS, VECTOR, SEQUENCE, TOKENS = "maps", "vector", "sequence", "tokens"


class Shape(NamedTuple):
    """A layout and its sizes: maps (C, spatial...), vector (F), sequence (L, F), tokens (L).

    A signal (C, L) and a sequence (L, F) both have two sizes; the layout tells them apart.
    `vocabulary` is the number of token ids, of tokens only.
    """

    layout: str
    sizes: tuple[int, ...]
    vocabulary: int | None = None

    @property
    def channels(self) -> int | None:
        """Channels of maps, features of a vector or sequence; tokens have none."""
        if self.layout == MAPS:
            return self.sizes[0]
        return None if self.layout == TOKENS else self.sizes[-1]

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.sizes[1:] if self.layout == MAPS else ()

    @property
    def rank(self) -> int:
        """Spatial axes: 1 for a signal, 2 for an image, 3 for a volume, else 0."""
        return len(self.sizes) - 1 if self.layout == MAPS else 0

    @property
    def elements(self) -> int:
        return prod(self.sizes)

    def __str__(self) -> str:
        """As in `64x56x56`."""
        return "x".join(map(str, self.sizes))


def maps(channels: int, *spatial: int) -> Shape:
    return Shape(MAPS, (channels, *spatial))


def vector(features: int) -> Shape:
    return Shape(VECTOR, (features,))


NOUNS = {
    MAPS: {1: "a signal", 2: "an image", 3: "a volume"},
    VECTOR: "a vector",
    SEQUENCE: "a sequence",
    TOKENS: "tokens",
}


def describe(shape: Shape) -> str:
    """As in `an image of 3x224x224`."""
    noun = NOUNS[shape.layout]
    if isinstance(noun, dict):
        noun = noun.get(shape.rank, "maps")
    return f"{noun} of {shape}"
