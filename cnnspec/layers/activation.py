"""Functions of one number, and softmax: any shape enters and leaves unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnspec.layers.layer import NUMERIC, Layer, only
from cnnspec.shapes import SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value

TORCH = {"relu": "F.relu", "tanh": "torch.tanh", "sigmoid": "torch.sigmoid"}
ACTIVATIONS = ("none", *TORCH, "softmax")  # what the field `activation` takes

ACTIVATE = '''\
def activate(x, activation, dim=1):
    """Applies the function of that name."""
    functions = {
        "none": lambda x: x,
        "relu": F.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softmax": lambda x: F.softmax(x, dim=dim),
    }
    return functions[activation](x)
'''


def torch_activation(site: Site) -> list[Step]:
    """The field `activation` of a convolution or dense layer, applied in the forward."""
    if not site.agreed(_activation):
        dim = site.unless(1, dim=_torch_dim(site))
        return [
            site.call(
                site.helper("activate", ACTIVATE), site.field("activation"), **dim
            )
        ]
    name = _activation(site.instances[0])
    if name == "none":
        return []
    return [_torch_softmax(site)] if name == "softmax" else [site.call(TORCH[name])]


def keras_activation(site: Site) -> dict[str, Value]:
    """The same as an argument; Keras' word for none is "linear"."""
    if all(_activation(i) == "none" for i in site.instances):
        return {}
    if all(_activation(i) != "none" for i in site.instances):
        return {"activation": site.field("activation")}
    from cnnspec.expressions import Compare, Conditional, Expr, Literal

    field = site.field("activation")
    assert isinstance(field, Expr)  # one literal can't differ between instances
    is_none = Compare(("==",), (field, Literal("none")))
    return {"activation": Conditional(Literal("linear"), is_none, field)}


def _activation(instance: Instance) -> str:
    name: str = instance.layer.values["activation"]
    return name


def _torch_dim(site: Site) -> int:
    """Where the channels (features) are in a batch."""
    is_sequence = site.common(
        lambda i: i.inputs[0].layout == SEQUENCE, "the kind of input"
    )
    return -1 if is_sequence else 1


def _torch_softmax(site: Site) -> Step:
    return site.call("F.softmax", dim=_torch_dim(site))


class Pointwise(Layer):
    """A function without fields that keeps the shape."""

    follows = True
    __slots__ = ()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)


class Relu(Pointwise):
    """Rectified linear unit: max(0, x) for each number.

    Shapes: any -> the same.
    Source: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines",
    2010.
    """

    op = "relu"
    example = "- relu"

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("F.relu")]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.ReLU")]


class Tanh(Pointwise):
    """Hyperbolic tangent of each number, between -1 and 1.

    Shapes: any -> the same.
    """

    op = "tanh"
    example = "- tanh"

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("torch.tanh")]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Activation", "tanh")]


class Sigmoid(Pointwise):
    """Logistic function 1/(1 + exp(-x)) of each number, between 0 and 1.

    Shapes: any -> the same.
    """

    op = "sigmoid"
    example = "- sigmoid"

    def pytorch(self, site: Site) -> list[Step]:
        return [site.call("torch.sigmoid")]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Activation", "sigmoid")]


class Softmax(Pointwise):
    """exp(x), scaled so that it sums to 1 over the channels (features).

    On maps this is done at each pixel, on a sequence at each position.

    Shapes: any -> the same.
    """

    op = "softmax"
    example = "- softmax"

    def pytorch(self, site: Site) -> list[Step]:
        return [_torch_softmax(site)]

    def keras(self, site: Site) -> list[Step]:
        return [site.layer("layers.Softmax")]
