"""Functions of one number with fields or a learned slope: the shape stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.fields import Boolean, Choice, Number
from cnnspec.layers.activation import (
    AMPLITUDE,
    SLOPE,
    STEEPNESS,
    kept_of,
    keras_function,
    keras_scaled_tanh,
    torch_scaled_tanh,
)
from cnnspec.layers.layer import NUMERIC, Kept, Layer, Weight, only
from cnnspec.shapes import SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.layers.variables import Line, Variable


class Parametric(Layer):
    """What they share: any shape enters and leaves unchanged."""

    follows = True
    activates = True
    __slots__ = ()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)


class LeakyRelu(Parametric):
    """Rectified linear unit that leaks: x where x > 0, else slope x.

    Shapes: any -> the same.
    Source: Maas et al., "Rectifier nonlinearities improve neural network acoustic models",
    2013.
    """

    op = "leaky_relu"
    example = "- leaky_relu: {slope: 0.1}"

    slope = Number(
        SLOPE, least=0, samples=[SLOPE, 0, 0.1, 0.2, 1.5], doc="Factor below 0."
    )

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("F.leaky_relu", site.field("slope"))]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.LeakyReLU", site.field("slope"))]


class Elu(Parametric):
    """Exponential linear unit: x where x > 0, else alpha (exp(x) - 1).

    Shapes: any -> the same.
    Source: Clevert et al., "Fast and accurate deep network learning by exponential linear
    units", 2015.
    """

    op = "elu"
    example = "- elu"

    alpha = Number(
        1, least=0, samples=[1, 0, 0.5, 2.5], doc="The value far below 0, without sign."
    )

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("F.elu", **site.unless(1, alpha=site.field("alpha")))]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.ELU", **site.unless(1, alpha=site.field("alpha")))]


class Gelu(Parametric):
    """Gaussian error linear unit: x times the share of a normal distribution below x.

    Exactly x (1 + erf(x / sqrt(2))) / 2; with `approximate: tanh`
    x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Shapes: any -> the same.
    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.
    """

    op = "gelu"
    example = "- gelu"

    approximate = Choice(
        "none",
        "tanh",
        default="none",
        doc="Exact, or by tanh as in BERT and GPT-2.",
    )

    def pytorch(self, site: Site) -> list[Step]:
        given = site.unless("none", approximate=site.field("approximate"))
        return [site.call("F.gelu", **given)]

    def keras(self, site: Site) -> list[Step]:
        if site.agreed(_approximate):
            if _approximate(site.instances[0]) == "none":
                return [keras_function(site, "gelu")]
            return [site.call("ops.gelu", approximate=True)]
        from cnnspec.expressions import Compare, Literal

        by_tanh = Compare(("==",), (site.field("approximate"), Literal("tanh")))
        return [site.call("ops.gelu", approximate=by_tanh)]


def _approximate(instance: Instance) -> str:
    word: str = instance.layer.values["approximate"]
    return word


class ScaledTanh(Parametric):
    """amplitude tanh(slope x) for each number.

    With the defaults it is about 1 at 1 and -1 at -1, where targets of 1 and -1 keep it out of
    saturation.

    Shapes: any -> the same.
    Source: LeCun et al., "Efficient BackProp", 1998.
    """

    op = "scaled_tanh"
    example = "- scaled_tanh"

    amplitude = Number(AMPLITUDE, samples=[AMPLITUDE, 1, 0.5], doc="The largest value.")
    slope = Number(
        STEEPNESS, samples=[STEEPNESS, 1, 2.5], doc="Factor of x in the tanh."
    )

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_of(self.op, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call(torch_scaled_tanh(site), **_amplitude_and_slope(site))]

    def keras(self, site: Site) -> list[Step]:
        return [site.call(keras_scaled_tanh(site), **_amplitude_and_slope(site))]


def _amplitude_and_slope(site: Site) -> dict[str, Value]:
    """What is not the default of the generated function."""
    return {
        **site.unless(AMPLITUDE, amplitude=site.field("amplitude")),
        **site.unless(STEEPNESS, slope=site.field("slope")),
    }


class Prelu(Parametric):
    """Parametric relu: x where x > 0, else a x with a learned slope a for each channel.

    Shapes: any -> the same.
    Parameters: C (features), or 1 where it is shared.
    Source: He et al., "Delving deep into rectifiers", 2015.
    """

    op = "prelu"
    example = "- prelu"

    shared = Boolean(False, doc="One slope for all channels.")
    initial = Number(0.25, samples=[0.25, 0, 0.1, 1], doc="The slopes before training.")

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        return (Weight("weight", (1 if self.shared else inputs[0].channels or 0,)),)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        from cnnspec.layers.variables import variable

        ones = (1,) * (len(inputs[0].sizes) - 1)  # the axes along which it is the same
        (weight,) = self.weights(inputs)
        return (variable("alpha", weight, shape=(*ones, *weight.shape)),)

    def pytorch(self, site: Site) -> list[Step]:
        prelu = site.module(
            "nn.PReLU",
            *_slopes(site),
            **site.unless(0.25, init=site.field("initial")),
        )
        is_sequence = site.common(
            lambda i: i.inputs[0].layout == SEQUENCE, "the kind of input"
        )
        if not is_sequence or all(map(_is_shared, site.instances)):
            return [prelu]
        swap = site.method("transpose", 1, 2)  # nn.PReLU has the channels first
        return [swap, prelu, swap]

    def keras(self, site: Site) -> list[Step]:
        from cnnspec.expressions import Call, Expr, Literal

        initial = site.field("initial")
        value = initial if isinstance(initial, Expr) else Literal(initial)
        return [
            site.layer(
                "layers.PReLU",
                alpha_initializer=Call("keras.initializers.Constant", (value,)),
                **site.unless((), shared_axes=_shared_axes(site)),
            )
        ]


def _is_shared(instance: Instance) -> bool:
    shared: bool = instance.layer.values["shared"]
    return shared


def _slopes(site: Site) -> tuple[Value, ...]:
    """How many slopes nn.PReLU has; its default is one."""
    if not site.agreed(_is_shared):
        from cnnspec.expressions import Conditional, Expr, Literal

        channels = site.channels
        own = channels if isinstance(channels, Expr) else Literal(channels)
        return (Conditional(Literal(1), site.field("shared"), own),)
    return () if _is_shared(site.instances[0]) else (site.channels,)


def _shared_axes(site: Site) -> Value:
    """The axes, without the batch, along which Keras' slopes are the same."""

    def axes(instance: Instance) -> tuple[int, ...]:
        shape = instance.inputs[0]
        own = len(shape.sizes) - 1  # the channels are the last
        return tuple(range(1, own + 1 + _is_shared(instance)))

    if site.agreed(_is_shared):
        return site.number(axes)
    from cnnspec.expressions import Conditional, Literal

    found = {_is_shared(i): axes(i) for i in site.instances}
    together, apart = Literal(found[True]), Literal(found[False])
    return site.number(axes, Conditional(together, site.field("shared"), apart))
