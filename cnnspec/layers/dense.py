"""The fully connected layer, and the way to it: maps are flattened, a vector leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Integer
from cnnspec.layers.activation import (
    activation_field,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.constants import (
    MayBeGiven,
    constant_field,
    constant_weight,
    keras_kernel,
    torch_kernel,
)
from cnnspec.layers.layer import (
    EVERYWHERE,
    NUMERIC,
    VIEW,
    Kept,
    Layer,
    Reach,
    Weight,
    only,
)
from cnnspec.shapes import SEQUENCE, VECTOR, Shape, vector

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Units(MayBeGiven):
    """What `dense` and `radial_basis` share: each unit reads all features of a position."""

    __slots__ = ()

    takes_init = True
    takes_values = True

    units = Integer(least=1, doc="Number of units: features of the output.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(
            self.op,
            inputs,
            (VECTOR, SEQUENCE),
            help="put `flatten` or `global_avg_pool` before it",
        )
        self.check_given(inputs)
        return (Shape(shape.layout, (*shape.sizes[:-1], self.units)),)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return outputs[0].elements * inputs[0].sizes[-1]

    def reach(self, inputs: tuple[Shape, ...]) -> Reach | None:
        return EVERYWHERE if inputs[0].layout == VECTOR else None


class Dense(Units):
    """Fully connected: each unit is a weighted sum of all features, plus a bias.

    On a sequence the same layer is applied at each position.

    Shapes: (F) -> (units); (L, F) -> (L, units).
    Parameters: units(F + 1), without bias units x F.
    MACs: units x F, on a sequence L times that.
    """

    op = "dense"
    counts_depth = True
    adds_bias = True
    example_input = "{features: 64}"
    example = "- dense: {units: 10}"

    bias = Boolean(True, doc="Adds a learned number per unit.")
    activation = activation_field()
    weights_ = constant_field()

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        weight = constant_weight((self.units, inputs[0].sizes[-1]), self.given)
        return (weight, Weight("bias", (self.units,))) if self.bias else (weight,)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_with(self.activation, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        dense = torch_kernel(
            site,
            "nn.Linear",
            site.channels,
            site.field("units"),
            **site.unless(True, bias=site.field("bias")),
        )
        return [dense, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        return [
            keras_kernel(
                site,
                "Dense",
                site.field("units"),
                **keras_activation(site),
                **site.unless(True, use_bias=site.field("bias")),
            )
        ]


class Flatten(Layer):
    """All numbers as one vector: channel by channel, in each row by row.

    Shapes: (C, H, W) -> (C x H x W); (L, F) -> (L x F).
    """

    op = "flatten"
    example = "- flatten"

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (vector(only(self.op, inputs, NUMERIC).elements),)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW

    def pytorch(self, site: Site) -> list[Step]:
        return [site.method("flatten", 1)]

    def keras(self, site: Site) -> list[Step]:
        flatten = site.layer("layers.Flatten")
        shapes = [i.inputs[0] for i in site.instances]
        if all(s.sizes[0] == 1 or set(s.spatial) <= {1} for s in shapes):
            return [flatten]  # either order is the same
        rank = site.rank
        order = (rank + 1, *range(1, rank + 1))  # channels first; 0 would be the batch
        return [site.layer("layers.Permute", order, suffix="permute"), flatten]
