"""Merges and splits."""

from functools import reduce

import torch
from oracle.activations import axis_of

MERGES = {
    "add": lambda xs: reduce(torch.add, xs),
    "subtract": lambda xs: xs[0] - xs[1],
    "multiply": lambda xs: reduce(torch.mul, xs),
    "average": lambda xs: sum(xs) / len(xs),
    "maximum": lambda xs: reduce(torch.maximum, xs),
}


def merge(node, own, xs, learns):
    return [MERGES[node["op"]](xs)]


def concat(node, own, xs, learns):
    return [torch.cat(xs, axis_of(node["layouts"][0]))]


def split(node, own, xs, learns):
    values, axis = node["values"], axis_of(node["layouts"][0])
    sizes = values["sizes"] or xs[0].shape[axis] // len(values["into"])
    return list(xs[0].split(sizes, axis))


EVALUATE = {**dict.fromkeys(MERGES, merge), "concat": concat, "split": split}
