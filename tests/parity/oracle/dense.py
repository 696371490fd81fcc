"""The fully connected layer and the way to it."""

from oracle.activations import activated
from oracle.constants import given


def dense(node, own, xs, learns):
    y = xs[0] @ given(node, own["weight"]).T + own.get("bias", 0)
    return [activated(node["values"], y, node["layouts"][0])]


def flatten(node, own, xs, learns):
    return [xs[0].flatten(1)]


EVALUATE = {"dense": dense, "flatten": flatten}
