"""Normalisation of each sample by itself: maps, a vector or a sequence enter and leave."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, ClassVar

from cnnspec.fields import Boolean, Choice, Number
from cnnspec.layers.layer import (
    EVERYWHERE,
    NUMERIC,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remedy,
    Weight,
    only,
)
from cnnspec.layers.norm import epsilon_field, keras_affine, single_numbers
from cnnspec.shapes import MAPS, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.layers.variables import Line, Variable

TORCH_OVER_CHANNELS = '''\
class Channel{norm}(nn.{norm}):
    """nn.{norm} over the channels of each pixel, not over the last axis."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
'''


class OverSample(Layer):
    """What layer norm and RMS norm share: the numbers of one sample they look at."""

    torch_module: ClassVar[str]
    __slots__ = ()

    over = Choice(
        "all",
        "channels",
        default="all",
        doc="On maps: all numbers of a sample together, or the channels of each pixel. A "
        "vector's features always go together, and so do those of each position of a "
        "sequence.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, NUMERIC)
        if prod(self.normalised(shape)) == 1:
            more = shape.layout == MAPS and shape.elements > 1
            remedies = [Remedy({"over": "all"}, "over all")] if more else []
            raise Misfit(single_numbers(self.op, shape, *remedies))
        return (shape,)

    def normalised(self, shape: Shape) -> tuple[int, ...]:
        """The sizes of what is normalised together."""
        if shape.layout == MAPS:
            return shape.sizes if self.over == "all" else shape.sizes[:1]
        return shape.sizes[-1:]

    def groups(self, shape: Shape) -> int:
        """How many are normalised apart."""
        return shape.elements // prod(self.normalised(shape))

    def reach(self, inputs: tuple[Shape, ...]) -> Reach | None:
        (shape,) = inputs
        return EVERYWHERE if self.normalised(shape) == shape.sizes else None

    def torch_norm(self, site: Site, **options: Value) -> list[Step]:
        """`nn.LayerNorm(what is normalised, options)`."""
        how = _how(site)
        if how == "all":
            size = site.number(lambda i: i.inputs[0].sizes)
        else:
            size = site.channels
        module = f"nn.{self.torch_module}"
        if how == "channels":
            source = TORCH_OVER_CHANNELS.format(norm=self.torch_module)
            module = site.helper(f"Channel{self.torch_module}", source)
        return [site.module(module, size, **options)]


def _how(site: Site) -> str:
    """`all` and `channels` of maps, or `features`."""

    def how(instance: Instance) -> str:
        is_maps = instance.inputs[0].layout == MAPS
        return instance.layer.values["over"] if is_maps else "features"

    word: str = site.common(how, "what is normalised together", "over")
    return word


def _keras_axis(site: Site) -> dict[str, Value]:
    """The axes of what is normalised; -1, the channels, is the default."""
    return {"axis": tuple(range(1, site.rank + 2))} if _how(site) == "all" else {}


class LayerNorm(OverSample):
    """Normalises each sample by its own mean and variance, in training as in evaluation.

    y = (x - mean) / sqrt(variance + epsilon) x scale + shift, with the mean and variance of all
    numbers of a sample; with `over: channels`, as in ConvNeXt, of the channels of each pixel.
    On a sequence, of the features of each position.

    Shapes: any -> the same.
    Parameters: a scale and a shift for each number that is normalised together: 2 x C x H x W
    on maps, with `over: channels` 2C; 2F on a vector or sequence.
    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.
    """

    op = "layer_norm"
    torch_module = "LayerNorm"
    follows = True
    example = "- layer_norm: {over: channels}"

    epsilon = epsilon_field(1e-5)
    affine = Boolean(True, doc="Learns a scale and a shift.")

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        size = self.normalised(inputs[0])
        return (Weight("weight", size), Weight("bias", size)) if self.affine else ()

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import scale_and_shift

        return scale_and_shift(self.weights(inputs))

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(numbers=2 * self.groups(inputs[0]))  # means and deviations

    def pytorch(self, site: Site) -> list[Step]:
        affine = site.unless(True, elementwise_affine=site.field("affine"))
        return self.torch_norm(site, eps=site.field("epsilon"), **affine)

    def keras(self, site: Site) -> list[Step]:
        return [
            site.layer(
                "layers.LayerNormalization",
                **_keras_axis(site),
                epsilon=site.field("epsilon"),
                **keras_affine(site),
            )
        ]


class RmsNorm(OverSample):
    """Divides each sample by the root of its mean square; no mean is subtracted.

    y = x / sqrt(mean of x^2 + epsilon) x scale. What is normalised together is as in
    `layer_norm`.

    Shapes: any -> the same.
    Parameters: a scale for each number that is normalised together: C x H x W on maps, with
    `over: channels` C; F on a vector or sequence.
    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.
    """

    op = "rms_norm"
    torch_module = "RMSNorm"
    follows = True
    example = "- rms_norm: {over: channels}"

    epsilon = Number(
        1e-6, above=0, samples=[1e-6, 1e-3, 0.1], doc="Added to the mean square."
    )
    affine = Boolean(True, doc="Learns a scale.")

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return (Weight("weight", self.normalised(inputs[0])),) if self.affine else ()

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import channels_last

        return tuple([channels_last("scale", w) for w in self.weights(inputs)])

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        scaled = inputs[0].elements if self.affine else 0
        return Kept(numbers=scaled + self.groups(inputs[0]))

    def pytorch(self, site: Site) -> list[Step]:
        affine = site.unless(True, elementwise_affine=site.field("affine"))
        return self.torch_norm(site, eps=site.field("epsilon"), **affine)

    def keras(self, site: Site) -> list[Step]:
        axis, epsilon = _keras_axis(site), site.field("epsilon")
        if site.common(lambda i: i.layer.values["affine"], "`affine`", "affine"):
            return [site.layer("layers.RMSNormalization", **axis, epsilon=epsilon)]
        axis = axis or {"axis": -1}
        return [site.call("ops.rms_normalization", **axis, epsilon=epsilon)]
