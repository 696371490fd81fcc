"""What a function of one number is called in both targets, and the fields that name one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cnnspec.fields import Choice
from cnnspec.layers.layer import NUMERIC, VIEW, Kept, Layer, only
from cnnspec.shapes import SEQUENCE, Shape

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value

SLOPE = 0.01  # of leaky_relu below 0, unless its field says otherwise


class Function(NamedTuple):
    """How both targets say a function that needs no field.

    Args:
        torch: what is called on x.
        args: its further arguments.
        keras: code of what is called on x; None where Keras has this function by our name.
        over_channels: whether it is one over all channels, not of each number.
        from_result: whether PyTorch's gradient needs the result alone.
    """

    torch: str
    args: tuple[float, ...] = ()
    keras: str | None = None
    over_channels: bool = False
    from_result: bool = False


FUNCTIONS = {
    "relu": Function("F.relu", from_result=True),
    "relu6": Function("F.relu6"),
    # Keras' own word for it has slope 0.2.
    "leaky_relu": Function("F.leaky_relu", (SLOPE,), f"layers.LeakyReLU({SLOPE})"),
    "elu": Function("F.elu"),
    "selu": Function("F.selu"),
    "gelu": Function("F.gelu"),
    "silu": Function("F.silu"),
    "mish": Function("F.mish"),
    "tanh": Function("torch.tanh", from_result=True),
    "scaled_tanh": Function("_scaled_tanh", keras="_scaled_tanh"),
    "sigmoid": Function("torch.sigmoid", from_result=True),
    "hard_sigmoid": Function("F.hardsigmoid"),
    "hard_swish": Function("F.hardswish"),
    "softplus": Function("F.softplus"),
    "softmax": Function("F.softmax", over_channels=True, from_result=True),
    "log_softmax": Function("F.log_softmax", over_channels=True, from_result=True),
    "abs": Function("torch.abs", keras="ops.abs"),
}
ACTIVATIONS = ("none", *FUNCTIONS)  # what the field `activation` takes


def activation_field() -> Choice:
    return Choice(
        *ACTIVATIONS, default="none", doc="Function applied to each output number."
    )


AMPLITUDE, STEEPNESS = 1.7159, 2 / 3  # the defaults of:
TORCH_SCALED_TANH = '''\
def scaled_tanh(x, amplitude=1.7159, slope=2 / 3):
    """LeCun's: about 1 at 1 and -1 at -1."""
    return amplitude * torch.tanh(slope * x)
'''
KERAS_SCALED_TANH = '''\
def scaled_tanh(x, amplitude=1.7159, slope=2 / 3):
    """LeCun's: about 1 at 1 and -1 at -1."""
    x = amplitude * ops.tanh(slope * x)
    return ops.convert_to_tensor(x, sparse=False)  # Keras marks products sparse
'''

ACTIVATE = '''\
def activate(x, activation):
    """Applies the function of that name."""
    functions = {
        # entries
    }
    return functions[activation](x)
'''

KERAS_ACTIVATION = '''\
def activation(name):
    """What Keras takes for a name: a function where it has not that word."""
    functions = {
        # entries
    }
    return functions.get(name, name)
'''


def kept_of(name: str, outputs: tuple[Shape, ...]) -> Kept:
    """What a function keeps for its gradient: its result or its input."""
    if name == "scaled_tanh":  # the result of the tanh inside
        return Kept(inputs=False, numbers=outputs[0].elements)
    from_result = FUNCTIONS[name].from_result
    return Kept(inputs=not from_result, outputs=from_result)


def kept_with(name: str, outputs: tuple[Shape, ...]) -> Kept:
    """What a convolution or dense layer keeps: its input, and what its activation does."""
    if name == "none":
        return Kept()
    size = outputs[0].elements
    own = kept_of(name, outputs)
    inside = 0 if own.outputs else size
    return Kept(outputs=own.outputs, numbers=inside, between=size)


def torch_activation(site: Site, key: str = "activation") -> list[Step]:
    """The field `activation` of a convolution or dense layer, applied in the forward."""
    names = _names(site, key)
    if names == ["none"]:
        return []
    if len(names) == 1:
        return [torch_function(site, names[0])]
    entries = {name: _torch_lambda(site, name) for name in names}
    over_channels = any(n != "none" and FUNCTIONS[n].over_channels for n in names)
    on_features = over_channels and _channel_axis(site) == -1
    # Two functions, for a network may have channels at either axis.
    name = "activate_features" if on_features else "activate"
    source = ACTIVATE.replace("activate", name)
    return [site.call(site.helper(name, source, entries), site.field(key))]


def keras_activation(site: Site, key: str = "activation") -> dict[str, Value]:
    """The same as an argument; Keras' word for none is "linear"."""
    names = _names(site, key)
    if names == ["none"]:
        return {}
    codes = {name: keras_code(site, name) for name in names if name != "none"}
    coded = {name: code for name, code in codes.items() if code is not None}
    if len(names) == 1 and coded:
        from cnnspec.emit.render import Verbatim

        return {"activation": Verbatim(coded[names[0]])}
    field = site.field(key)
    if not coded and "none" not in names:
        return {"activation": field}
    from cnnspec.expressions import Call, Compare, Conditional, Expr, Literal

    assert isinstance(field, Expr)  # one literal can't differ between instances
    if not coded:
        is_none = Compare(("==",), (field, Literal("none")))
        return {"activation": Conditional(Literal("linear"), is_none, field)}
    if "none" in names:
        coded = {"none": '"linear"', **coded}
    helper = site.helper("activation", KERAS_ACTIVATION, coded)
    return {"activation": Call(helper, (field,))}


def torch_function(site: Site, name: str) -> Step:
    """One of FUNCTIONS, called in the forward."""
    function = FUNCTIONS[name]
    if name == "scaled_tanh":
        torch_scaled_tanh(site)
    if function.over_channels:
        return site.call(function.torch, dim=_channel_axis(site))
    return site.call(function.torch, *function.args)


def keras_function(site: Site, name: str) -> Step:
    """The same as a step of its own."""
    code = keras_code(site, name)
    return site.call(code) if code else site.layer("layers.Activation", name)


def keras_code(site: Site, name: str) -> str | None:
    """Code of what is called on x; None where Keras has this function by our name."""
    return keras_scaled_tanh(site) if name == "scaled_tanh" else FUNCTIONS[name].keras


def torch_scaled_tanh(site: Site) -> str:
    return site.helper("scaled_tanh", TORCH_SCALED_TANH)


def keras_scaled_tanh(site: Site) -> str:
    return site.helper("scaled_tanh", KERAS_SCALED_TANH)


def last_function(layer: Layer) -> str | None:
    """The name of the function that a layer ends in, by itself or by its field."""
    if layer.op in FUNCTIONS:
        return layer.op
    name: str | None = layer.values.get(_field_of(layer))
    return name if name in FUNCTIONS else None


def without_last_function(layer: Layer) -> Layer:
    """A layer whose field names no function."""
    return type(layer)({**layer.values, _field_of(layer): "none"})


def _field_of(layer: Layer) -> str:
    return "function" if isinstance(layer, Activation) else "activation"


def _names(site: Site, key: str) -> list[str]:
    """The names that occur, in the order of ACTIVATIONS."""
    found = {_named(instance, key) for instance in site.instances}
    return [name for name in ACTIVATIONS if name in found]


def _named(instance: Instance, key: str) -> str:
    name: str = instance.layer.values[key]
    return name


def _torch_lambda(site: Site, name: str) -> str:
    """A function of x alone, as an entry of a dict."""
    if name == "none":
        return "lambda x: x"
    function = FUNCTIONS[name]
    if name == "scaled_tanh":
        torch_scaled_tanh(site)
    if function.over_channels:
        return f"lambda x: {function.torch}(x, dim={_channel_axis(site)})"
    if function.args:
        return f"lambda x: {function.torch}(x, {', '.join(map(repr, function.args))})"
    return function.torch


def _channel_axis(site: Site) -> int:
    """Where the channels (features) are in a batch."""
    is_sequence = site.common(
        lambda i: i.inputs[0].layout == SEQUENCE, "the kind of input"
    )
    return -1 if is_sequence else 1


class Activation(Layer):
    """The function of that name, with the values that its own page gives as defaults.

    So a block can take its activation as an argument: `activation: {function: $act}`.

    Shapes: any -> the same.
    """

    op = "activation"
    follows = True
    activates = True
    example = "- activation: {function: silu}"

    function = Choice(*ACTIVATIONS, doc="Name of the function; `none` changes nothing.")

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return (only(self.op, inputs, NUMERIC),)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return VIEW if self.function == "none" else kept_of(self.function, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        return torch_activation(site, "function")

    def keras(self, site: Site) -> list[Step]:
        names = _names(site, "function")
        if len(names) == 1 and names[0] != "none" and keras_code(site, names[0]):
            return [keras_function(site, names[0])]
        named = keras_activation(site, "function")
        return [site.layer("layers.Activation", *named.values())] if named else []
