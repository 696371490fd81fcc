"""Learned factors of whole channels: the shape stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Number
from cnnspec.layers.layer import NUMERIC, Layer, Weight, only
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step
    from cnnspec.layers.variables import Line, Variable

TORCH_SCALE = '''\
class LayerScale{rank}(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, channels, initial):
        super().__init__()
        self.weight = nn.Parameter(initial * torch.ones(channels))

    def forward(self, x):
        return x * self.weight{spread}
'''
TORCH_SCALE_AND_SHIFT = '''\
class ScaleAndShift{rank}(nn.Module):
    """A learned factor and a learned shift for each channel."""

    def __init__(self, channels, initial):
        super().__init__()
        self.weight = nn.Parameter(initial * torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return x * self.weight{spread} + self.bias{spread}
'''
TORCH_EITHER = """\
def layer_scale{rank}(channels, initial, bias):
    kind = _ScaleAndShift{rank} if bias else _LayerScale{rank}
    return kind(channels, initial)
"""
KERAS_SCALE = '''\
class LayerScale(layers.Layer):
    """A learned factor for each channel."""

    def __init__(self, initial, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape):
        constant = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(shape[-1:], constant, name="scale")

    def call(self, x):
        return x * self.scale
'''
KERAS_SCALE_AND_SHIFT = '''\
class ScaleAndShift(layers.Layer):
    """A learned factor and a learned shift for each channel."""

    def __init__(self, initial, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, shape):
        constant = keras.initializers.Constant(self.initial)
        self.scale = self.add_weight(shape[-1:], constant, name="scale")
        self.bias = self.add_weight(shape[-1:], "zeros", name="bias")

    def call(self, x):
        return x * self.scale + self.bias
'''
KERAS_EITHER = """\
def layer_scale(initial, bias, **kwargs):
    kind = _ScaleAndShift if bias else _LayerScale
    return kind(initial, **kwargs)
"""


class LayerScale(Layer):
    """Multiplies each channel by a learned factor; with `bias` it adds a learned number, too.

    At the end of a residual's body a small factor makes a deep network begin as the identity.
    After an average pooling, with `initial: 1` and `bias: true`, it is LeNet-5's subsampling.

    Shapes: any -> the same.
    Parameters: C, with bias 2C (of a vector or sequence, F and 2F).
    Source: Touvron et al., "Going deeper with image transformers", 2021; the default is that
    of Liu et al., "A ConvNet for the 2020s", 2022.
    """

    op = "layer_scale"
    follows = True
    example = "- layer_scale: {initial: 1, bias: true}"

    initial = Number(
        1e-6, samples=[1e-6, 1, 0.1, -2.5], doc="The factors before training."
    )
    bias = Boolean(False, doc="Adds a learned number per channel, at first 0.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        size = (inputs[0].channels or 0,)
        factor = Weight("weight", size)
        return (factor, Weight("bias", size)) if self.bias else (factor,)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import usual, variable

        factor, *bias = self.weights(inputs)
        return (variable("scale", factor), *map(usual, bias))

    def pytorch(self, site: Site) -> list[Step]:
        rank = site.rank
        words = {
            "rank": f"{rank}d" if rank else "",
            "spread": f"[:{', None' * rank}]" if rank else "",  # channels before pixels
        }
        kind = _kind(
            site,
            TORCH_SCALE.format(**words),
            TORCH_SCALE_AND_SHIFT.format(**words),
            TORCH_EITHER.format(**words),
            words["rank"],
        )
        either = {} if site.agreed(_has_bias) else {"bias": site.field("bias")}
        initial = site.field("initial")
        return [site.module(kind, site.channels, initial=initial, **either)]

    def keras(self, site: Site) -> list[Step]:
        kind = _kind(site, KERAS_SCALE, KERAS_SCALE_AND_SHIFT, KERAS_EITHER)
        either = {} if site.agreed(_has_bias) else {"bias": site.field("bias")}
        return [site.layer(kind, initial=site.field("initial"), **either)]


def _kind(
    site: Site, scale: str, scale_and_shift: str, either: str, rank: str = ""
) -> str:
    """The helper that makes the layer: a class, or a function where `bias` differs."""
    used = set(map(_has_bias, site.instances))
    name = ""
    if False in used:
        name = site.helper(f"LayerScale{rank}", scale)
    if True in used:
        name = site.helper(f"ScaleAndShift{rank}", scale_and_shift)
    return name if len(used) == 1 else site.helper(f"layer_scale{rank}", either)


def _has_bias(instance: Instance) -> bool:
    has: bool = instance.layer.values["bias"]
    return has
