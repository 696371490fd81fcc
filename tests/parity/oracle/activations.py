"""Functions of one number, softmax, learned slopes and factors, and dropouts (which are off)."""

import math

import torch

ZERO = torch.zeros(())


def hard_sigmoid(x):
    return (x + 3).clamp(0, 6) / 6


def softplus(x):
    return torch.logaddexp(x, ZERO.to(x.dtype))


def leaky(x, slope):
    return torch.where(x > 0, x, slope * x)


def exponential(x, alpha):
    return torch.where(x > 0, x, alpha * torch.expm1(x))


def gauss(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def gauss_by_tanh(x):
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


FUNCTIONS = {
    "none": lambda x, axis: x,
    "relu": lambda x, axis: x.clamp(min=0),
    "relu6": lambda x, axis: x.clamp(0, 6),
    "leaky_relu": lambda x, axis: leaky(x, 0.01),
    "elu": lambda x, axis: exponential(x, 1),
    "selu": lambda x, axis: 1.0507009873554805 * exponential(x, 1.6732632423543772),
    "gelu": lambda x, axis: gauss(x),
    "silu": lambda x, axis: x / (1 + torch.exp(-x)),
    "mish": lambda x, axis: x * torch.tanh(softplus(x)),
    "tanh": lambda x, axis: torch.tanh(x),
    "scaled_tanh": lambda x, axis: 1.7159 * torch.tanh(2 * x / 3),
    "sigmoid": lambda x, axis: torch.sigmoid(x),
    "hard_sigmoid": lambda x, axis: hard_sigmoid(x),
    "hard_swish": lambda x, axis: x * hard_sigmoid(x),
    "softplus": lambda x, axis: softplus(x),
    "softmax": lambda x, axis: x.softmax(axis),
    "log_softmax": lambda x, axis: x - x.logsumexp(axis, keepdim=True),
    "abs": lambda x, axis: torch.maximum(x, -x),
}  # by name; `axis` is that of the channels


def axis_of(layout):
    return -1 if layout == "sequence" else 1


def activated(values, y, layout="maps"):
    """The field `activation` applied."""
    return FUNCTIONS[values["activation"]](y, axis_of(layout))


def pointwise(node, own, xs, learns):
    return [FUNCTIONS[node["op"]](xs[0], axis_of(node["layouts"][0]))]


def activation(node, own, xs, learns):
    function = FUNCTIONS[node["values"]["function"]]
    return [function(xs[0], axis_of(node["layouts"][0]))]


def leaky_relu(node, own, xs, learns):
    return [leaky(xs[0], node["values"]["slope"])]


def elu(node, own, xs, learns):
    return [exponential(xs[0], node["values"]["alpha"])]


def gelu(node, own, xs, learns):
    by_tanh = node["values"]["approximate"] == "tanh"
    return [(gauss_by_tanh if by_tanh else gauss)(xs[0])]


def scaled_tanh(node, own, xs, learns):
    values = node["values"]
    return [values["amplitude"] * torch.tanh(values["slope"] * xs[0])]


def over_axes(vector, node, x):
    """A number for each channel, such that it spreads over x."""
    shape = [1] * x.dim()
    shape[axis_of(node["layouts"][0])] = -1
    return vector.reshape(shape)


def prelu(node, own, xs, learns):
    (x,) = xs
    return [leaky(x, over_axes(own["weight"], node, x))]


def layer_scale(node, own, xs, learns):
    (x,) = xs
    y = x * over_axes(own["weight"], node, x)
    return [y + over_axes(own["bias"], node, x) if "bias" in own else y]


def alike(node, own, xs, learns):
    return [xs[0]]


FIELDLESS = (
    *("relu", "relu6", "selu", "silu", "mish", "tanh", "sigmoid", "hard_sigmoid"),
    *("hard_swish", "softplus", "softmax", "log_softmax", "abs"),
)
DROPOUTS = ("dropout", "spatial_dropout", "alpha_dropout", "drop_path")
EVALUATE = {
    **dict.fromkeys(FIELDLESS, pointwise),
    **dict.fromkeys(("identity", *DROPOUTS), alike),
    "activation": activation,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "scaled_tanh": scaled_tanh,
    "prelu": prelu,
    "layer_scale": layer_scale,
}
