"""What drops something at random in training: any shape enters and leaves unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Number
from cnnspec.layers.layer import NUMERIC, Kept, Layer, only
from cnnspec.shapes import MAPS, SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step

DROP_PATH = '''\
class DropPath(nn.Dropout):
    """Dropout of whole samples: stochastic depth."""

    def forward(self, x):
        if not self.training:
            return x
        ones = x.new_ones(x.shape[0], *[1] * (x.dim() - 1))
        return x * super().forward(ones)
'''


def rate_field(what: str = "numbers") -> Number:
    return Number(
        least=0,
        below=1,
        samples=[0.5, 0, 0.1, 0.25],
        doc=f"Share of {what} that are dropped.",
    )


class Dropping(Layer):
    """What they share: nothing changes in evaluation."""

    follows = True
    __slots__ = ()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)


class Dropout(Dropping):
    """In training, sets each number to 0 with probability `rate` and divides the rest by 1 - rate.

    In evaluation it changes nothing.

    Shapes: any -> the same.
    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.
    """

    op = "dropout"
    example = "- dropout: {rate: 0.5}"

    rate = rate_field()

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, bytes=outputs[0].elements)  # the mask

    def pytorch(self, site: Site) -> list[Step]:
        return [site.module("nn.Dropout", site.field("rate"))]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Dropout", site.field("rate"))]


class SpatialDropout(Dropping):
    """In training, sets whole maps to 0 with probability `rate` and divides the rest by 1 - rate.

    Neighbouring pixels are alike, so dropping some of them hides little. On a sequence it
    drops a feature at all positions. In evaluation it changes nothing.

    Shapes: (C, H, W) -> (C, H, W); (L, F) -> (L, F).
    Source: Tompson et al., "Efficient object localization using convolutional networks",
    2015.
    """

    op = "spatial_dropout"
    example = "- spatial_dropout: {rate: 0.2}"

    rate = rate_field("maps")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        help = "`dropout` drops single numbers"
        return (only(self.op, inputs, (MAPS, SEQUENCE), help=help),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, numbers=inputs[0].channels or 0)

    def pytorch(self, site: Site) -> list[Step]:
        rank = site.rank
        dropout = site.module(f"nn.Dropout{rank or 1}d", site.field("rate"))
        if rank:
            return [dropout]
        swap = site.method("transpose", 1, 2)  # nn.Dropout1d has the channels first
        return [swap, dropout, swap]

    def keras(self, site: Site) -> list[Step]:
        function = f"layers.SpatialDropout{site.rank or 1}D"
        return [site.layer(function, site.field("rate"))]


class AlphaDropout(Dropping):
    """Dropout for `selu`: dropped numbers get its least value, and mean and variance stay.

    In training, each number becomes -1.7581 with probability `rate`; then all are scaled and
    shifted such that numbers of mean 0 and variance 1 keep both. In evaluation it changes
    nothing.

    Shapes: any -> the same.
    Source: Klambauer et al., "Self-normalizing neural networks", 2017.
    """

    op = "alpha_dropout"
    example = "- alpha_dropout: {rate: 0.1}"

    rate = rate_field()

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, numbers=inputs[0].elements)

    def pytorch(self, site: Site) -> list[Step]:
        return [site.module("nn.AlphaDropout", site.field("rate"))]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.AlphaDropout", site.field("rate"))]


class DropPath(Dropping):
    """Stochastic depth: in training, sets whole samples to 0 with probability `rate`.

    The others are divided by 1 - rate. At the end of a residual's body it leaves the body out
    for these samples. In evaluation it changes nothing.

    Shapes: any -> the same.
    Source: Huang et al., "Deep networks with stochastic depth", 2016.
    """

    op = "drop_path"
    example = "- drop_path: {rate: 0.1}"

    rate = rate_field("samples")

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False, numbers=1)

    def pytorch(self, site: Site) -> list[Step]:
        helper = site.helper("DropPath", DROP_PATH)
        return [site.module(helper, site.field("rate"))]

    def keras(self, site: Site) -> list[Step]:
        axes: int = site.common(lambda i: len(i.inputs[0].sizes), "the number of axes")
        shape = (None, *[1] * axes)  # one draw for all numbers of a sample
        return [site.layer("layers.Dropout", site.field("rate"), noise_shape=shape)]
