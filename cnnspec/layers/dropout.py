"""Dropout: any shape enters and leaves unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Number
from cnnspec.layers.layer import NUMERIC, Layer, only
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Dropout(Layer):
    """In training, sets each number to 0 with probability `rate` and divides the rest by 1 - rate.

    In evaluation it changes nothing.

    Shapes: any -> the same.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.
    """

    op = "dropout"
    follows = True
    example = "- dropout: {rate: 0.5}"

    rate = Number(
        least=0,
        below=1,
        samples=[0.5, 0, 0.1, 0.25],
        doc="Share of numbers that are dropped.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)

    def pytorch(self, site: Site) -> list[Step]:
        return [site.module("nn.Dropout", site.field("rate"))]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Dropout", site.field("rate"))]
