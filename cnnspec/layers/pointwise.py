"""Functions of one number without fields, and softmax: any shape enters and leaves unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.layers.activation import kept_of, keras_function, torch_function
from cnnspec.layers.layer import NUMERIC, Kept, Layer, only
from cnnspec.shapes import Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Pointwise(Layer):
    """A function without fields that keeps the shape."""

    follows = True
    activates = True
    __slots__ = ()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_of(self.op, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        return [torch_function(site, self.op)]

    def keras(self, site: Site) -> list[Step]:
        return [keras_function(site, self.op)]


class Relu(Pointwise):
    """Rectified linear unit: max(0, x) for each number.

    Shapes: any -> the same.
    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines",
    2010.
    """

    op = "relu"
    example = "- relu"

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.ReLU")]


class Relu6(Pointwise):
    """Rectified linear unit that ends at 6: min(max(0, x), 6) for each number.

    Shapes: any -> the same.
    Source: Howard et al., "MobileNets", 2017.
    """

    op = "relu6"
    example = "- relu6"


class Selu(Pointwise):
    """Scaled ELU: 1.0507 x where x > 0, else 1.0507 x 1.67326 (exp(x) - 1).

    The two constants are those for which a network keeps mean 0 and variance 1 by itself.

    Shapes: any -> the same.
    Source: Klambauer et al., "Self-normalizing neural networks", 2017.
    """

    op = "selu"
    example = "- selu"


class Silu(Pointwise):
    """Sigmoid linear unit, also called swish: x / (1 + exp(-x)) for each number.

    Shapes: any -> the same.
    Source: Elfwing et al., "Sigmoid-weighted linear units", 2018; Ramachandran et al.,
    "Searching for activation functions", 2017.
    """

    op = "silu"
    example = "- silu"


class Mish(Pointwise):
    """x tanh(log(1 + exp(x))) for each number.

    Shapes: any -> the same.
    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.
    """

    op = "mish"
    example = "- mish"


class Tanh(Pointwise):
    """Hyperbolic tangent of each number, between -1 and 1.

    Shapes: any -> the same.
    """

    op = "tanh"
    example = "- tanh"


class Sigmoid(Pointwise):
    """Logistic function 1/(1 + exp(-x)) of each number, between 0 and 1.

    Shapes: any -> the same.
    """

    op = "sigmoid"
    example = "- sigmoid"


class HardSigmoid(Pointwise):
    """Three straight lines in place of the sigmoid: min(max(0, x + 3), 6) / 6.

    Shapes: any -> the same.
    Source: Howard et al., "Searching for MobileNetV3", 2019. Older frameworks had 0.2 x + 0.5.
    """

    op = "hard_sigmoid"
    example = "- hard_sigmoid"


class HardSwish(Pointwise):
    """x times the hard sigmoid of x: x min(max(0, x + 3), 6) / 6.

    Shapes: any -> the same.
    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """

    op = "hard_swish"
    example = "- hard_swish"


class Softplus(Pointwise):
    """log(1 + exp(x)) for each number: a smooth relu.

    Shapes: any -> the same.
    """

    op = "softplus"
    example = "- softplus"


class Abs(Pointwise):
    """The number without its sign, |x|.

    Shapes: any -> the same.
    """

    op = "abs"
    activates = False  # rectifies what an activation gives
    example = "- abs"


class Softmax(Pointwise):
    """exp(x), scaled so that it sums to 1 over the channels (features).

    On maps this is done at each pixel, on a sequence at each position.

    Shapes: any -> the same.
    """

    op = "softmax"
    example = "- softmax"

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Softmax")]


class LogSoftmax(Pointwise):
    """Logarithm of the softmax over the channels (features): x - log(sum of exp(x)).

    On maps this is done at each pixel, on a sequence at each position. As the end of a model
    it stays before `cross_entropy`, which has the same value on log-probabilities.

    Shapes: any -> the same.
    """

    op = "log_softmax"
    example = "- log_softmax"
