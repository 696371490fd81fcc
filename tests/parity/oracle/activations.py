"""Functions of one number, softmax and dropout (which is off)."""

import torch
import torch.nn.functional as F

FUNCTIONS = {
    "none": lambda x, axis: x,
    "relu": lambda x, axis: F.relu(x),
    "tanh": lambda x, axis: torch.tanh(x),
    "sigmoid": lambda x, axis: torch.sigmoid(x),
    "softmax": lambda x, axis: x.softmax(axis),
}  # by name; `axis` is that of the channels


def axis_of(layout):
    return -1 if layout == "sequence" else 1


def activated(values, y, layout="maps"):
    """The field `activation` applied."""
    return FUNCTIONS[values["activation"]](y, axis_of(layout))


def pointwise(node, own, xs, learns):
    return [FUNCTIONS[node["op"]](xs[0], axis_of(node["layouts"][0]))]


def alike(node, own, xs, learns):
    return [xs[0]]


EVALUATE = {
    **dict.fromkeys(("relu", "tanh", "sigmoid", "softmax"), pointwise),
    **dict.fromkeys(("identity", "dropout"), alike),
}
