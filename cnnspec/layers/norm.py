"""Normalisation by channels, groups and neighbours: maps enter, the same shape leaves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Integer, Number
from cnnspec.layers.faults import divisors_near
from cnnspec.layers.layer import (
    EVERYWHERE,
    Kept,
    Layer,
    Misfit,
    Reach,
    Remark,
    Remedy,
    Weight,
    only,
)
from cnnspec.shapes import MAPS, VECTOR, Shape, describe

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step, Value
    from cnnspec.layers.variables import Line, Variable

KERAS_RESPONSES = '''\
def local_response_norm(x, size, alpha, beta, k):
    """Divides each channel by what it and its neighbours respond, at any rank."""
    around = [(0, 0)] * (len(x.shape) - 1) + [(size // 2, (size - 1) // 2)]
    squares = ops.pad(ops.square(x), around)
    total = sum(squares[..., i : i + x.shape[-1]] for i in range(size))
    return x / (k + alpha * total) ** beta
'''


def epsilon_field(default: float) -> Number:
    return Number(
        default, above=0, samples=[default, 1e-3, 0.1], doc="Added to the variance."
    )


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
    torch_counters = ("num_batches_tracked",)
    example = "- batch_norm"

    epsilon = epsilon_field(1e-5)
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

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import scale_and_shift

        return scale_and_shift(self.weights(inputs))

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


class OverMaps(Layer):
    """What group norm and instance norm share: statistics of a sample's own maps."""

    __slots__ = ()

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        size = inputs[0].sizes[:1]
        if not self.values["affine"]:
            return ()
        return (Weight("weight", size), Weight("bias", size))

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import scale_and_shift

        return scale_and_shift(self.weights(inputs))

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        return EVERYWHERE


class GroupNorm(OverMaps):
    """Normalises groups of each sample's channels, each by its own mean and variance.

    y = (x - mean) / sqrt(variance + epsilon) x scale + shift, in training as in evaluation;
    mean and variance are those of the C/groups maps of a group, scale and shift the channel's.
    With one group it is a layer norm with a scale and shift per channel.

    Shapes: (C, H, W) -> (C, H, W); (F) -> (F).
    Parameters: 2C.
    Source: Wu and He, "Group normalization", 2018.
    """

    op = "group_norm"
    follows = True
    example = "- group_norm: {groups: 4}"

    groups = Integer(
        least=1, doc="Number of groups that the channels are split into, in order."
    )
    epsilon = epsilon_field(1e-5)
    affine = Boolean(True, doc="Learns a scale and a shift for each channel.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS, VECTOR))
        if shape.sizes[0] % self.groups:
            raise Misfit(_indivisible(shape.sizes[0], self.groups))
        if shape.elements == self.groups:
            fewer = divisors_near(self.groups, self.groups)[1:3]
            raise Misfit(single_numbers(self.op, shape, *map(_of_groups, fewer)))
        return (shape,)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(numbers=2 * self.groups)  # means and deviations

    def pytorch(self, site: Site) -> list[Step]:
        return [
            site.module(
                "nn.GroupNorm",
                site.field("groups"),
                site.channels,
                eps=site.field("epsilon"),
                **site.unless(True, affine=site.field("affine")),
            )
        ]

    def keras(self, site: Site) -> list[Step]:
        return [
            site.layer(
                "layers.GroupNormalization",
                site.field("groups"),
                epsilon=site.field("epsilon"),
                **keras_affine(site),
            )
        ]


class InstanceNorm(OverMaps):
    """Normalises each map of each sample by its own mean and variance.

    y = (x - mean) / sqrt(variance + epsilon) x scale + shift, in training as in evaluation:
    there are no running statistics.

    Shapes: (C, H, W) -> (C, H, W).
    Parameters: 2C.
    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.
    """

    op = "instance_norm"
    follows = True
    example = "- instance_norm"

    epsilon = epsilon_field(1e-5)
    affine = Boolean(True, doc="Learns a scale and a shift for each channel.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        if prod(shape.spatial) == 1:
            raise Misfit(single_numbers(self.op, shape))
        return (shape,)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(numbers=(3 if self.affine else 2) * inputs[0].sizes[0])

    def pytorch(self, site: Site) -> list[Step]:
        return [
            site.module(
                f"nn.InstanceNorm{site.rank}d",
                site.channels,
                eps=site.field("epsilon"),
                **site.unless(False, affine=site.field("affine")),
            )
        ]

    def keras(self, site: Site) -> list[Step]:
        # A group per channel: Keras' word for it is -1.
        return [
            site.layer(
                "layers.GroupNormalization",
                -1,
                epsilon=site.field("epsilon"),
                **keras_affine(site),
            )
        ]


class LocalResponseNorm(Layer):
    """Divides each number by what the channels around its own respond at the same pixel.

    y = x / (k + alpha x sum)^beta, with the sum of the squares of `size` channels, its own in
    the middle; of an even number one more before it than after it. Channels beyond the first
    and the last count nothing. PyTorch writes alpha x size, for it takes the mean.

    Shapes: (C, H, W) -> (C, H, W).
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012, section 3.3.
    """

    op = "local_response_norm"
    follows = True
    example = "- local_response_norm: {size: 5}"

    size = Integer(5, least=1, doc="Number of channels that are summed.")
    alpha = Number(1e-4, least=0, samples=[1e-4, 0.5, 2], doc="Weight of the sum.")
    beta = Number(0.75, least=0, samples=[0.75, 0.5, 1], doc="Exponent.")
    k = Number(2.0, above=0, samples=[2.0, 1, 0.5], doc="Added to the weighted sum.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, (MAPS,)),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        (shape,) = inputs
        padded = (shape.sizes[0] + self.size - 1) * prod(shape.spatial)
        return Kept(numbers=padded + 2 * shape.elements)

    def pytorch(self, site: Site) -> list[Step]:
        size = site.field("size")
        # PyTorch takes a view of a volume's squares, which needs them side by side.
        volume = any(i.inputs[0].rank == 3 for i in site.instances)
        return [
            *([site.method("contiguous")] if volume else []),
            site.call(
                "F.local_response_norm",
                size,
                alpha=_times(site.field("alpha"), size),
                beta=site.field("beta"),
                k=site.field("k"),
            ),
        ]

    def keras(self, site: Site) -> list[Step]:
        fields = {name: site.field(name) for name in ("size", "alpha", "beta", "k")}
        function = site.helper("local_response_norm", KERAS_RESPONSES)
        return [site.call(function, **fields)]


def keras_affine(site: Site) -> dict[str, Value]:
    affine = site.field("affine")
    return site.unless(True, center=affine, scale=affine)


def _one_minus(value: Value) -> Value:
    """PyTorch's momentum; of a literal in decimal, for 1 - 0.9 is 0.09999999999999998."""
    if isinstance(value, (int, float)):
        from decimal import Decimal  # costs a check 1 ms

        return float(1 - Decimal(repr(value)))
    from cnnspec.expressions import Binary, Literal

    return Binary("-", Literal(1), value)


def _times(left: Value, right: Value) -> Value:
    """A product that stays visible: `0.0001 * 5`."""
    from cnnspec.expressions import Binary, Expr, Literal

    factors = [v if isinstance(v, Expr) else Literal(v) for v in (left, right)]
    return Binary("*", *factors)


def single_numbers(op: str, shape: Shape, *remedies: Remedy) -> Remark:
    """CS310: nothing but the sign of a number is left of it."""
    return Remark(
        "CS310",
        f"`{op}` would normalise each number by itself alone",
        f"gets {describe(shape)}",
        port=0,
        remedies=remedies,
        help=None if remedies else "put it where there is more to normalise",
    )


def _indivisible(channels: int, groups: int) -> Remark:
    """CS305, with the divisors nearest to what was asked for."""
    return Remark(
        "CS305",
        "groups do not divide the channels",
        f"{channels} channels, {groups} groups",
        field="groups",
        port=0,
        remedies=tuple(map(_of_groups, divisors_near(channels, groups)[:3])),
    )


def _of_groups(count: int) -> Remedy:
    return Remedy({"groups": count}, f"groups {count}")
