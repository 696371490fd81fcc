"""The same numbers in another place: maps, a vector or a sequence enters, another shape leaves."""

from __future__ import annotations

from math import gcd, isqrt
from typing import TYPE_CHECKING

from cnnspec.extents import Axes
from cnnspec.fields import Boolean, Integer
from cnnspec.layers.faults import divisors_near, indivisible
from cnnspec.layers.layer import (
    EVERYWHERE,
    NUMERIC,
    VIEW,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remark,
    Remedy,
    only,
)
from cnnspec.shapes import MAPS, SEQUENCE, Shape, describe, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step

KERAS_SHUFFLE = '''\
def pixel_shuffle(x, factor):
    """Channel (c, i, j) becomes pixel (i, j) of c; depth_to_space has (i, j, c)."""
    _, height, width, channels = x.shape
    channels //= factor**2
    x = ops.reshape(x, (-1, height, width, channels, factor, factor))
    x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
    return ops.reshape(x, (-1, height * factor, width * factor, channels))
'''
KERAS_UNSHUFFLE = '''\
def pixel_unshuffle(x, factor):
    """Pixel (i, j) of c becomes channel (c, i, j); space_to_depth has (i, j, c)."""
    _, height, width, channels = x.shape
    height, width = height // factor, width // factor
    x = ops.reshape(x, (-1, height, factor, width, factor, channels))
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, height, width, channels * factor**2))
'''
KERAS_CHANNELS = '''\
def channel_shuffle(x, groups):
    """The first channels of all groups, then the second of all, and so on."""
    *spatial, channels = x.shape[1:]
    x = ops.reshape(x, (-1, *spatial, groups, channels // groups))
    return ops.reshape(ops.swapaxes(x, -1, -2), (-1, *spatial, channels))
'''


class PixelShuffle(Layer):
    """Turns channels into pixels: r x r channels become one of r times the extent.

    Output (c, h r + i, w r + j) is input (c r^2 + i r + j, h, w). With `inverse` it is the way
    back. TensorFlow's `depth_to_space` takes the channels in another order: (i r + j) C + c.

    Shapes: (C, H, W) -> (C/r^2, H r, W r); with `inverse` (C, H, W) -> (C r^2, H/r, W/r).
    Source: Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", 2016.
    """

    op = "pixel_shuffle"
    example = "- pixel_shuffle: {factor: 2}"

    factor = Integer(least=1, doc="Factor r by which height and width grow.")
    inverse = Boolean(False, doc="Turns pixels into channels.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape, factor = only(self.op, inputs, (MAPS,)), self.factor
        if shape.rank != 2:
            raise Misfit(
                Remark(
                    "CS302",
                    "`pixel_shuffle` takes an image",
                    f"gets {describe(shape)}",
                    port=0,
                )
            )
        channels, height, width = shape.sizes
        if self.inverse:
            if height % factor or width % factor:
                raise Misfit(_no_blocks(shape, factor))
            return (maps(channels * factor**2, height // factor, width // factor),)
        if channels % factor**2:
            raise Misfit(_no_pixels(channels, factor))
        return (maps(channels // factor**2, height * factor, width * factor),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        if not self.inverse:
            return EVERYWHERE  # a step of a part of a pixel is no whole number
        return Reach((self.factor,) * 2, (self.factor,) * 2)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False)

    def pytorch(self, site: Site) -> list[Step]:
        function = "F.pixel_unshuffle" if _is_inverse(site) else "F.pixel_shuffle"
        return [site.call(function, site.field("factor"))]

    def keras(self, site: Site) -> list[Step]:
        if _is_inverse(site):
            helper = site.helper("pixel_unshuffle", KERAS_UNSHUFFLE)
        else:
            helper = site.helper("pixel_shuffle", KERAS_SHUFFLE)
        return [site.call(helper, site.field("factor"))]


class ChannelShuffle(Layer):
    """Mixes the channels of groups: the first of each group, then the second of each, and so on.

    With g groups output channel k g + i is input channel i C/g + k.

    Shapes: (C, H, W) -> (C, H, W).
    Source: Zhang et al., "ShuffleNet", 2017.
    """

    op = "channel_shuffle"
    example = "- channel_shuffle: {groups: 2}"

    groups = Integer(least=1, doc="Number of groups g.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        if shape.sizes[0] % self.groups:
            raise Misfit(indivisible(shape.sizes[0], shape.sizes[0], self.groups))
        return (shape,)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(inputs=False)

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("F.channel_shuffle", site.field("groups"))]

    def keras(self, site: Site) -> list[Step]:
        helper = site.helper("channel_shuffle", KERAS_CHANNELS)
        return [site.call(helper, site.field("groups"))]


class Permute(Layer):
    """Puts the axes into another order, without the batch: axis i of the output is axes[i].

    The axes count from 0 in the shape as it stands here: (C, H, W). Maps stay maps, their first
    axis the channels; a signal (C, L) with its axes swapped is a sequence (L, C), and the
    reverse. So `reshape` to a signal, then `permute`, makes a sequence of H x W positions of
    an image, as attention takes it.

    Shapes: (C, H, W) -> its sizes in the order of the axes; (C, L) <-> (L, C).
    """

    op = "permute"
    example = """
        - reshape: {channels: 64, length: -1}
        - permute: {axes: [1, 0]}
        """

    axes = Axes(doc="The input's axis for each axis of the output.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, NUMERIC)
        axes: tuple[int, ...] = self.axes
        if sorted(axes) != list(range(len(shape.sizes))):
            raise Misfit(_no_permutation(shape, axes))
        sizes = tuple(shape.sizes[axis] for axis in axes)
        swapped = {MAPS: SEQUENCE, SEQUENCE: MAPS}
        layout = swapped[shape.layout] if axes == (1, 0) else shape.layout
        return (Shape(layout, sizes),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach | None:
        return None if list(self.axes) == sorted(self.axes) else EVERYWHERE

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW

    def pytorch(self, site: Site) -> list[Step]:
        if all(i.layer.values["axes"] == (1, 0) for i in site.instances):
            return [site.method("transpose", 1, 2)]
        if all(_keeps_order(i) for i in site.instances):
            return []
        order = site.number(
            lambda i: (0, *(axis + 1 for axis in i.layer.values["axes"]))
        )
        axes = order if isinstance(order, tuple) else (order,)
        return [site.method("permute", *axes)]

    def keras(self, site: Site) -> list[Step]:
        # A signal with its channels last and a sequence are one array.
        if all(len(i.inputs[0].sizes) < 3 or _keeps_order(i) for i in site.instances):
            return []
        site.rank  # the same for all, else CS501  # noqa: B018
        return [site.layer("layers.Permute", site.number(_keras_order))]


def _is_inverse(site: Site) -> bool:
    inverse: bool = site.common(
        lambda i: i.layer.values["inverse"], "the direction", "inverse"
    )
    return inverse


def _keeps_order(instance: Instance) -> bool:
    axes = instance.layer.values["axes"]
    return list(axes) == sorted(axes)


def _keras_order(instance: Instance) -> tuple[int, ...]:
    """As layers.Permute counts: from 1, the channels last."""
    axes: tuple[int, ...] = instance.layer.values["axes"]
    places = (*range(1, len(axes)), 0)  # which of our axes stands at each of Keras'
    return tuple(places.index(axes[place]) + 1 for place in places)


def _no_pixels(channels: int, factor: int) -> Remark:
    """CS345: the channels are no multiple of the pixels that each is to give."""
    near = divisors_near(channels, min(factor, isqrt(channels)))
    fitting = [n for n in near if channels % n**2 == 0] or [1]
    return Remark(
        "CS345",
        f"the channels do not make {factor}x{factor} pixels",
        f"{channels} channels, {factor**2} for each",
        field="factor",
        port=0,
        remedies=tuple(Remedy({"factor": n}, f"factor {n}") for n in fitting[:2]),
    )


def _no_blocks(shape: Shape, factor: int) -> Remark:
    """CS345: the factor does not divide the extent."""
    most = gcd(*shape.spatial)
    fitting = divisors_near(most, min(factor, most))
    return Remark(
        "CS345",
        "the factor does not divide the extent",
        f"gets {shape}, factor {factor}",
        field="factor",
        port=0,
        remedies=tuple(Remedy({"factor": n}, f"factor {n}") for n in fitting[:2]),
    )


def _no_permutation(shape: Shape, axes: tuple[int, ...]) -> Remark:
    """CS344: the list does not name each axis once."""
    wanted = list(range(len(shape.sizes)))
    reverse = wanted[::-1]
    help = f"write an order of {wanted}, such as {reverse}"
    if len(wanted) == 1:
        help = "a vector has one axis: leave `permute` out"
    elif len(axes) == 2:
        help += "; two axes are those of a signal: `reshape: {channels: …, length: -1}`"
    return Remark(
        "CS344",
        f"`axes` must name each of {len(wanted)} axes once",
        f"gets {list(axes)} for {describe(shape)}",
        field="axes",
        port=0,
        help=help,
    )
