"""How kernels begin: `init` in a spec enters, the same distribution in both frameworks leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from cnnspec.arrays import Numbers, shape_of
from cnnspec.declared import read_declared
from cnnspec.fields import Declared, Number
from cnnspec.layers.constants import check_shape
from cnnspec.layers.layer import Misfit, Remark, Remedy
from cnnspec.suggest import did_you_mean
from cnnspec.yamltree import Mapping, Node, Scalar

if TYPE_CHECKING:
    from cnnspec.diagnostics import Bag
    from cnnspec.layers.layer import Layer, Weight
    from cnnspec.spec import Variables


class Draw(NamedTuple):
    """A framework's call: its name and its arguments."""

    function: str
    args: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


class Initializer(Declared):
    """A distribution of a kernel's first values; biases begin at zero."""

    kind: ClassVar[str] = ""
    # What its variance depends on: the numbers that enter an output, or those that leave, too.
    fan: ClassVar[Literal["in", "both"] | None] = None

    def pytorch(self) -> Draw:
        """The `nn.init` call; the tensor comes before `args`."""
        raise NotImplementedError

    def keras(self) -> Draw:
        """The initializer's construction."""
        raise NotImplementedError

    def fault(self, layer: Layer, weights: tuple[Weight, ...]) -> Remark | None:
        """Why it can't begin the weights of a layer; the first is the kernel."""
        if not weights[0].constant:
            return None
        return Remark(
            "CS114",
            "`init` has nothing to begin: the weights are constant",
            "stands beside `weights`",
            field="init",
            help="for numbers that learn on write `init: {values: {numbers: …}}` alone",
        )


class Scaled(Initializer):
    """What has a variance of `scale` by a fan, or by the mean of both."""

    scale: ClassVar[float]
    distribution: ClassVar[str]  # as Keras calls it

    def keras(self) -> Draw:
        fan = "fan_in" if self.fan == "in" else "fan_avg"
        args = (self.scale, fan, self.distribution)
        return Draw("keras.initializers.VarianceScaling", args)


class HeNormal(Scaled):
    """Normal with variance 2/fan_in, not truncated. Source: He et al., 2015, eq. 10."""

    kind, fan = "he_normal", "in"
    scale, distribution = 2.0, "untruncated_normal"

    def pytorch(self) -> Draw:
        return Draw("nn.init.kaiming_normal_", options=(("nonlinearity", "relu"),))


class HeUniform(Scaled):
    """Uniform with variance 2/fan_in: within ±sqrt(6/fan_in). Source: He et al., 2015."""

    kind, fan = "he_uniform", "in"
    scale, distribution = 2.0, "uniform"

    def pytorch(self) -> Draw:
        return Draw("nn.init.kaiming_uniform_", options=(("nonlinearity", "relu"),))


class GlorotNormal(Scaled):
    """Normal with variance 2/(fan_in + fan_out), not truncated. Source: Glorot and Bengio, 2010."""

    kind, fan = "glorot_normal", "both"
    scale, distribution = 1.0, "untruncated_normal"

    def pytorch(self) -> Draw:
        return Draw("nn.init.xavier_normal_")


class GlorotUniform(Scaled):
    """Uniform within ±sqrt(6/(fan_in + fan_out)). Source: Glorot and Bengio, 2010, eq. 16."""

    kind, fan = "glorot_uniform", "both"
    scale, distribution = 1.0, "uniform"

    def pytorch(self) -> Draw:
        return Draw("nn.init.xavier_uniform_")


class LecunNormal(Scaled):
    """Normal with variance 1/fan_in, not truncated. Source: LeCun et al., "Efficient BackProp", 1998."""

    kind, fan = "lecun_normal", "in"
    scale, distribution = 1.0, "untruncated_normal"

    def pytorch(self) -> Draw:
        return Draw("nn.init.kaiming_normal_", options=(("nonlinearity", "linear"),))


class Normal(Initializer):
    """Normal with a given mean and standard deviation, not truncated."""

    kind = "normal"
    stddev = Number(0.01, above=0, samples=[0.01, 0.5, 1], doc="Standard deviation.")
    mean = Number(0.0, samples=[0.0, 0.5, -1], doc="Mean.")

    def pytorch(self) -> Draw:
        return Draw(
            "nn.init.normal_", options=(("mean", self.mean), ("std", self.stddev))
        )

    def keras(self) -> Draw:
        return Draw(
            "keras.initializers.RandomNormal",
            options=(("mean", self.mean), ("stddev", self.stddev)),
        )


class TruncatedNormal(Initializer):
    """Normal around 0, drawn again beyond two deviations; its own deviation is 0.88 stddev."""

    kind = "truncated_normal"
    stddev = Number(0.02, above=0, samples=[0.02, 0.5, 1], doc="Before truncation.")

    def pytorch(self) -> Draw:
        # trunc_normal_'s bounds are absolute, Keras' are in deviations.
        s = self.stddev
        return Draw(
            "nn.init.trunc_normal_", options=(("std", s), ("a", -2 * s), ("b", 2 * s))
        )

    def keras(self) -> Draw:
        return Draw(
            "keras.initializers.TruncatedNormal", options=(("stddev", self.stddev),)
        )


class Uniform(Initializer):
    """Uniform within ±limit."""

    kind = "uniform"
    limit = Number(0.05, above=0, samples=[0.05, 0.5, 1], doc="Largest magnitude.")

    def pytorch(self) -> Draw:
        return Draw("nn.init.uniform_", (-self.limit, self.limit))

    def keras(self) -> Draw:
        return Draw("keras.initializers.RandomUniform", (-self.limit, self.limit))


class Constant(Initializer):
    """One number everywhere."""

    kind = "constant"
    value = Number(samples=[0, 0.5, -1], doc="The number.")

    def pytorch(self) -> Draw:
        return Draw("nn.init.constant_", (self.value,))

    def keras(self) -> Draw:
        return Draw("keras.initializers.Constant", (self.value,))


class Values(Initializer):
    """Given numbers, from which the kernel learns on.

    They stand in lists of the shape of the weight, filter by filter; without the axis of the
    channels each channel gets the same, without that of the filters each filter.
    """

    kind = "values"
    numbers = Numbers(doc="A number, or lists of numbers.")
    scale = Number(1, samples=[1, 0.5, -2], doc="Multiplies each number.")

    @property
    def axes(self) -> int:
        return len(shape_of(self.numbers) or ())

    def pytorch(self) -> Draw:
        return Draw("copy_")  # the numbers are a constant of the program

    def keras(self) -> Draw:
        return Draw("_given")

    def fault(self, layer: Layer, weights: tuple[Weight, ...]) -> Remark | None:
        if not layer.takes_values:
            return Remark(
                "CS114",
                f"`values` can't begin the weights of `{layer.op}`",
                "stands here",
                field="init",
            )
        try:
            if layer.values.get("connections") is not None:
                from cnnspec.layers.partial import refuse_beside

                refuse_beside("init: values")
            check_shape(self.numbers, weights[0].shape, "init", layer.takes_rows)
        except Misfit as misfit:
            return misfit.remark
        return super().fault(layer, weights)


class Bilinear(Initializer):
    """Bilinear interpolation of each channel by itself, for a `conv_transpose`.

    A kernel of 2S - S % 2 upsamples by its stride S: factor f = ceil(F/2), and a weight of
    1 - |i - c|/f along each axis, where c is the kernel's middle. On a signal that is linear, on
    a volume trilinear. Source: Long, Shelhamer and Darrell, "Fully convolutional networks for
    semantic segmentation", 2015.
    """

    kind = "bilinear"

    def pytorch(self) -> Draw:
        return Draw("_bilinear_")

    def keras(self) -> Draw:
        return Draw("_bilinear")

    def fault(self, layer: Layer, weights: tuple[Weight, ...]) -> Remark | None:
        if layer.op != "conv_transpose":
            return Remark(
                "CS323",
                f"`bilinear` upsamples, and `{layer.op}` does not",
                "stands here",
                field="init",
                help="`init: bilinear` stands beside `conv_transpose`",
            )
        channels, filters = weights[0].shape[0], layer.values["filters"]
        if channels != filters:
            return Remark(
                "CS323",
                "`bilinear` needs as many filters as channels",
                f"{filters} filters on {channels} channels",
                field="filters",
                port=0,
                remedies=(Remedy({"filters": channels}, f"filters {channels}"),),
            )
        return super().fault(layer, weights)


INITIALIZERS: dict[str, type[Initializer]] = {
    cls.kind: cls
    for cls in (
        HeNormal,
        HeUniform,
        GlorotNormal,
        GlorotUniform,
        LecunNormal,
        Normal,
        TruncatedNormal,
        Uniform,
        Constant,
        Bilinear,
        Values,
    )
}


def read_init(node: Node, variables: Variables, bag: Bag) -> Initializer | None:
    """`init: he_uniform` or `init: {normal: {stddev: 0.02}}`; None where it is wrong."""
    body: Node | None = None
    if isinstance(node, Scalar) and isinstance(node.value, str):
        kind, place = node.text, node.span
    elif isinstance(node, Mapping) and len(node.items) == 1:
        key, body = node.items[0]
        kind, place = key.text, key.span
    else:
        bag.add(
            "CS107",
            "`init` takes a distribution",
            node.span,
            f"gets {node.kind}",
            help="write `init: glorot_uniform` or `init: {normal: {stddev: 0.02}}`",
        )
        return None
    cls = INITIALIZERS.get(kind)
    if cls is None:
        meant = did_you_mean(kind, INITIALIZERS)
        bag.add(
            "CS107",
            f"unknown distribution `{kind[:60]}`",
            place,
            help=f"did you mean `{meant}`?"
            if meant
            else f"known: {', '.join(INITIALIZERS)}",
        )
        return None
    return read_declared(cls, body, f"`{kind}`", place, variables, bag)
