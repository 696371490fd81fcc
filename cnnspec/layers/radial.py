"""Radial basis units: a vector enters, its squared distances from centres leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Boolean
from cnnspec.layers.constants import (
    constant_field,
    constant_weight,
    has_constant,
    keras_constant,
    torch_kernel,
)
from cnnspec.layers.dense import Units
from cnnspec.layers.layer import Kept, Weight
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step

TORCH = '''\
class RadialBasis(nn.Module):
    """Squared distances of a vector from the rows of `weight`."""

    def __init__(self, features, units):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units, features))

    def forward(self, x):
        return (x.unsqueeze(-2) - self.weight).square().sum(-1)
'''
KERAS = '''\
class RadialBasis(layers.Layer):
    """Squared distances of a vector from the columns of `kernel`."""

    def __init__(self, units, kernel_initializer, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape):
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer
        )

    def call(self, x):
        return ops.sum(ops.square(x[..., None] - self.kernel), axis=-2)
'''


class RadialBasis(Units):
    """Radial basis units: how far the features x are from each unit's centre w.

    y_i = sum over j of (x_j - w_ij)^2: 0 at the centre. With `negative: true` the sign is
    turned, so that the nearest centre has the largest output: as logits of `cross_entropy`
    that is LeCun's criterion (eq. 9) without the constant of its rejection class. On a
    sequence the same layer is applied at each position.

    Shapes: (F) -> (units); (L, F) -> (L, units).
    Parameters: units x F.
    MACs: units x F (a square and a sum are a multiply-add), on a sequence L times that.
    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998,
    eq. 7.
    """

    op = "radial_basis"
    takes_rows = True
    torch_class = "_RadialBasis"
    torch_init = 'nn.init.kaiming_normal_(module.weight, nonlinearity="relu")\n'
    example_input = "{features: 84}"
    example = "- radial_basis: {units: 10, negative: true}"

    negative = Boolean(
        False, doc="Turns the sign: the nearest centre has the largest output."
    )
    weights_ = constant_field(
        "centres",
        " What follows the axis of the units may be nested otherwise: a bitmap's rows.",
    )

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return (constant_weight((self.units, inputs[0].sizes[-1]), self.given),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        differences = outputs[0].elements * inputs[0].sizes[-1]
        return Kept(inputs=False, numbers=differences, between=differences)

    def pytorch(self, site: Site) -> list[Step]:
        name = site.helper("RadialBasis", TORCH)
        made = torch_kernel(site, name, site.channels, site.field("units"))
        return [made, *_turned(site, "torch.neg")]

    def keras(self, site: Site) -> list[Step]:
        from cnnspec.initializers import HeNormal

        name, units = site.helper("RadialBasis", KERAS), site.field("units")
        if has_constant(site):
            made = keras_constant(site, "RadialBasis", name, units)
        else:
            begin = site.initializer(HeNormal({}))
            made = site.layer(name, units, kernel_initializer=begin)
        return [made, *_turned(site, "ops.negative")]


def _turned(site: Site, function: str) -> list[Step]:
    negative = site.field("negative")
    if negative is False:
        return []
    step = site.call(function)
    return [step if negative is True else step._replace(guard=negative)]
