"""Normalisation: any maps or vector enter, the same shape leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Number
from cnnspec.layers.layer import Layer, Weight, only
from cnnspec.shapes import MAPS, VECTOR, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step, Value


class BatchNorm(Layer):
    """Subtracts each channel's mean, divides by its deviation, then scales and shifts it.

    In training, mean and variance are those of the batch, and running averages follow them:
    new = decay x old + (1 - decay) x batch. In evaluation the running ones are used. PyTorch
    corrects the running variance by n/(n - 1), Keras does not: that difference stays.

    Shapes: (C, H, W) -> (C, H, W); (F) -> (F).
    Parameters: 2C learned (scale, shift), 2C running statistics.
    Source: Ioffe and Szegedy, "Batch normalization", 2015.
    """

    op = "batch_norm"
    follows = True
    example = "- batch_norm"

    epsilon = Number(
        1e-5, above=0, samples=[1e-5, 1e-3, 0.1], doc="Added to the variance."
    )
    decay = Number(
        0.9,
        least=0,
        most=1,
        samples=[0.9, 0.99, 0.5, 0, 1],
        doc="Share of the old running value that an update keeps.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, (MAPS, VECTOR)),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        size = inputs[0].sizes[:1]
        return (
            Weight("weight", size),
            Weight("bias", size),
            Weight("running_mean", size, learned=False),
            Weight("running_var", size, learned=False),
        )

    def pytorch(self, site: Site) -> list[Step]:
        return [
            site.module(
                f"nn.BatchNorm{site.rank or 1}d",
                site.channels,
                eps=site.field("epsilon"),
                momentum=_one_minus(site.field("decay")),
            )
        ]

    def keras(self, site: Site) -> list[Step]:
        return [
            site.layer(
                "layers.BatchNormalization",
                momentum=site.field("decay"),
                epsilon=site.field("epsilon"),
            )
        ]


def _one_minus(value: Value) -> Value:
    """PyTorch's momentum; of a literal in decimal, for 1 - 0.9 is 0.09999999999999998."""
    if isinstance(value, (int, float)):
        from decimal import Decimal  # costs a check 1 ms

        return float(1 - Decimal(repr(value)))
    from cnnspec.expressions import Binary, Literal

    return Binary("-", Literal(1), value)
