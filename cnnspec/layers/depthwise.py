"""Convolution channel by channel, and separable convolution, which mixes the channels after."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Integer, spread
from cnnspec.layers.activation import (
    activation_field,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.constants import (
    KERAS_BY_CHANNEL,
    MayBeGiven,
    constant_field,
    constant_weight,
    has_constant,
    keras_constant,
    keras_kernel,
    torch_kernel,
)
from cnnspec.layers.fans import keras_swapped, keras_usual
from cnnspec.layers.layer import Kept, Weight, only
from cnnspec.layers.padding import (
    keras_every,
    keras_slices,
    keras_word,
    keras_zeros,
    torch_inside,
    torch_padding,
    windows_of,
)
from cnnspec.layers.window import Sliding, walk
from cnnspec.layers.window_fields import (
    dilation_field,
    filters_field,
    kernel_field,
    padding_field,
    rounding_field,
    stride_field,
)
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.initializers import Initializer
    from cnnspec.layers.variables import Line, Variable

SEPARABLE = '''\
class SeparableConv{rank}d(nn.Sequential):
    """A convolution channel by channel, then one across the channels."""

    def __init__(self, in_channels, filters, kernel, multiplier=1, bias=True, **window):
        super().__init__()
        channels = in_channels * multiplier
        self.depthwise = nn.Conv{rank}d(
            in_channels, channels, kernel, groups=in_channels, bias=False, **window
        )
        self.pointwise = nn.Conv{rank}d(channels, filters, 1, bias=bias)
'''


class ByChannel(Sliding):
    """What depthwise and separable convolution share: the window over each channel."""

    __slots__ = ()

    counts_depth = True
    takes_init = True
    adds_bias = True

    kernel = kernel_field()
    stride = stride_field()
    padding = padding_field()
    dilation = dilation_field()
    multiplier = Integer(
        1, least=1, doc="Number of filters M on each channel of the input."
    )
    bias = Boolean(True, doc="Adds a learned number to each channel of the output.")
    activation = activation_field()
    rounding = rounding_field()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        extents = walk(shape, self.windows(shape), self.rounding)
        return (maps(self._filters(shape), *extents),)

    def _filters(self, shape: Shape) -> int:
        """Channels of the output."""
        raise NotImplementedError

    def _kernel(self, shape: Shape) -> tuple[int, ...]:
        """The shape of the filters on the channels."""
        extents = spread(self.kernel, shape.rank) or ()
        return (shape.sizes[0] * self.multiplier, 1, *extents)

    def _by_channel(self, path: str, weight: Weight) -> Variable:
        """(C M, 1, spatial…) as (spatial…, C, M)."""
        from cnnspec.layers.variables import variable

        _, _, *extents = weight.shape
        axes = (*range(2, 2 + len(extents)), 0, 1)
        shape = (-1, self.multiplier, *extents)
        return variable(path, weight, shape=shape, axes=axes)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        kernels = [w.count for w in self.weights(inputs) if len(w.shape) > 1]
        return sum(kernels) * prod(outputs[0].spatial)


class DepthwiseConv(ByChannel, MayBeGiven):
    """Convolution of each channel with filters of its own; channels are never summed.

    Each of the C channels gets M filters of F x F (`multiplier`), so that channels cM to cM + M - 1
    of the output come from channel c. It equals `conv` with `groups` C and C x M filters.

    Shapes: (C, H, W) -> (C x M, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Parameters: C x M(F x F + 1), without bias C x M x F x F.
    MACs: C x M x H' x W' x F x F.
    Source: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
    applications", 2017.
    """

    op = "depthwise_conv"
    example = "- depthwise_conv: {kernel: 3, padding: 1}"

    weights_ = constant_field()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        made = super().infer(inputs)
        self.check_given(inputs)
        return made

    def _filters(self, shape: Shape) -> int:
        return shape.sizes[0] * self.multiplier

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        kernel = constant_weight(self._kernel(inputs[0]), self.given)
        bias = Weight("bias", kernel.shape[:1])
        return (kernel, bias) if self.bias else (kernel,)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        if not _keras_has(line):
            return super().keras_variables(inputs, line)
        from cnnspec.layers.variables import usual

        kernel, *bias = self.weights(inputs)
        return (self._by_channel("kernel", kernel), *map(usual, bias))

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_with(self.activation, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        outside, padding = torch_padding(site, torch_inside)
        conv = torch_kernel(
            site,
            f"nn.Conv{site.rank}d",
            site.channels,
            _multiplied(site),
            site.field("kernel"),
            **site.unless(1, stride=site.field("stride")),
            **padding,
            **site.unless(1, dilation=site.field("dilation")),
            **site.unless(1, groups=site.channels),
            **site.unless(True, bias=site.field("bias")),
        )
        return [*outside, conv, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        last = {
            **keras_activation(site),
            **site.unless(True, use_bias=site.field("bias")),
        }
        return _keras_depthwise(site, "", last)


class SeparableConv(ByChannel):
    """A convolution channel by channel, then one of extent 1 across the channels.

    The depthwise part gives each of the C channels M filters of F x F (`multiplier`), the pointwise
    part mixes the C x M channels into K. Nothing stands between the two, so the bias and the
    activation come once, at the end.

    Shapes: (C, H, W) -> (K, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Parameters: C x M x F x F + K(C x M + 1), without bias C x M x F x F + K x C x M.
    MACs: H' x W' x (C x M x F x F + K x C x M).
    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2017.
    """

    op = "separable_conv"
    example = "- separable_conv: {filters: 64, kernel: 3, padding: 1}"

    filters = filters_field()

    def _filters(self, shape: Shape) -> int:
        return self.filters

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        (shape,) = inputs
        kernel = self._kernel(shape)
        ones = (1,) * shape.rank
        pointwise = Weight("pointwise.weight", (self.filters, kernel[0], *ones))
        bias = (Weight("pointwise.bias", (self.filters,)),) if self.bias else ()
        return (Weight("depthwise.weight", kernel), pointwise, *bias)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import kernel, variable

        first, second, *bias = self.weights(inputs)
        if _keras_has(line):
            return (
                self._by_channel("depthwise_kernel", first),
                kernel("pointwise_kernel", second),
                *[variable("bias", weight) for weight in bias],
            )
        return (
            kernel(".depthwise/kernel", first),
            kernel(".pointwise/kernel", second),
            *[variable(".pointwise/bias", weight) for weight in bias],
        )

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        made = self._kernel(inputs[0])[0] * prod(outputs[0].spatial)
        kept = kept_with(self.activation, outputs)
        return kept._replace(
            numbers=kept.numbers + made, between=max(kept.between, made)
        )

    def torch_parts(self, inputs: tuple[Shape, ...]) -> tuple[str, ...]:
        return (f"nn.Conv{inputs[0].rank}d",)

    @classmethod
    def torch_kernels(
        cls, module: str, init: Initializer
    ) -> tuple[tuple[str, ...], str]:
        if module == "layer":  # a part that was found in a list of them
            return (), "layer.weight"
        return (f"for part in {module}:",), "part.weight"

    def pytorch(self, site: Site) -> list[Step]:
        rank = site.rank
        outside, padding = torch_padding(site, torch_inside)
        conv = site.module(
            site.helper(f"SeparableConv{rank}d", SEPARABLE.format(rank=rank)),
            site.channels,
            site.field("filters"),
            site.field("kernel"),
            **site.unless(1, multiplier=site.field("multiplier")),
            **site.unless(1, stride=site.field("stride")),
            **padding,
            **site.unless(1, dilation=site.field("dilation")),
            **site.unless(True, bias=site.field("bias")),
        )
        return [*outside, conv, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        last = {
            **keras_activation(site),
            **site.unless(True, use_bias=site.field("bias")),
        }
        if not _keras_has(site):
            parts = _keras_depthwise(site, "depthwise", {"use_bias": False})
            mixed = site.layer(
                f"Conv{site.rank}D",
                site.field("filters"),
                1,
                suffix="pointwise",
                **last,
            )
            return [*parts, mixed]
        padding = keras_word(site)
        conv = site.layer(
            f"layers.SeparableConv{site.rank}D",
            site.field("filters"),
            site.field("kernel"),
            **_keras_window(site, padding),
            **site.unless(1, depth_multiplier=site.field("multiplier")),
            depthwise_initializer=keras_swapped(site, site.field("multiplier")),
            pointwise_initializer=keras_usual(site),
            **last,
        )
        return [*_keras_outside(site, padding), conv]


def _multiplied(site: Site) -> Value:
    """The channels that the depthwise part makes."""
    from cnnspec.expressions import Binary, Expr, Literal

    channels, multiplier = site.channels, site.field("multiplier")
    candidates = [channels]
    if isinstance(channels, Expr) or isinstance(multiplier, Expr):
        both = [
            v if isinstance(v, Expr) else Literal(v) for v in (channels, multiplier)
        ]
        candidates.append(Binary("*", *both))
    return site.number(_channels_made, *candidates)


def _channels_made(instance: Instance) -> int:
    channels: int = instance.inputs[0].sizes[0] * instance.layer.values["multiplier"]
    return channels


def _keras_has(line: Line) -> bool:
    """Whether Keras' own layers by channel say it: signals and images, equal strides.

    Of several filters on a channel they take both fans for others than a group's.
    """
    is_one = all(i.layer.values["multiplier"] == 1 for i in line.instances)
    by_both = line.init is not None and line.init.fan == "both"
    if line.instances[0].inputs[0].rank > 2 or (by_both and not is_one):
        return False
    return all(len({w.stride for w in windows_of(i)}) == 1 for i in line.instances)


def _keras_depthwise(site: Site, suffix: str, last: dict[str, Value]) -> list[Step]:
    """The part on the channels; else a convolution with a group for each."""
    if _keras_has(site):
        padding = keras_word(site)
        conv = _keras_own(
            site,
            suffix,
            **_keras_window(site, padding),
            **site.unless(1, depth_multiplier=site.field("multiplier")),
            **last,
        )
        return [*_keras_outside(site, padding), conv]
    sliced = keras_slices(site)
    padding = keras_word(site, steps_of_one=sliced)
    make = partial(site.layer, suffix=suffix) if suffix else partial(keras_kernel, site)
    conv = make(
        f"Conv{site.rank}D",
        _multiplied(site),
        site.field("kernel"),
        **_keras_window(site, padding, stride=not sliced),
        **site.unless(1, groups=site.channels),
        **last,
    )
    sliced_after = [keras_every(site)] if sliced else []
    return [*_keras_outside(site, padding), conv, *sliced_after]


def _keras_own(site: Site, suffix: str, **options: Value) -> Step:
    """`layers.DepthwiseConv2D(…)`, its kernel constant where the field `weights` is given."""
    name, kernel = f"DepthwiseConv{site.rank}D", site.field("kernel")
    if suffix or not has_constant(site):
        begin = keras_swapped(site, site.field("multiplier"))
        return site.layer(
            f"layers.{name}",
            kernel,
            suffix=suffix,
            **options,
            depthwise_initializer=begin,
        )
    helper = ("given_by_channel", KERAS_BY_CHANNEL)
    return keras_constant(
        site, name, f"layers.{name}", kernel, helper=helper, **options
    )


def _keras_window(
    site: Site, padding: dict[str, Value] | None, stride: bool = True
) -> dict[str, Value]:
    strides = site.unless(1, strides=site.field("stride")) if stride else {}
    dilations = site.unless(1, dilation_rate=site.field("dilation"))
    return {**strides, **(padding or {}), **dilations}


def _keras_outside(site: Site, padding: dict[str, Value] | None) -> list[Step]:
    return [keras_zeros(site)] if padding is None else []
