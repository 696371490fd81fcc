"""Given kernels, tables of connections, and radial basis units."""

import torch


def given(node, weight):
    """The kernel: the numbers that `weights` gives, else the state's."""
    if node["values"]["weights"] is None:
        return weight
    numbers, scale = node["values"]["weights"]
    found = scale * torch.tensor(numbers, dtype=weight.dtype, device=weight.device)
    if found.dim() > weight.dim():
        found = found.flatten(1)
    elif found.dim() == weight.dim() - 1:
        found = found[:, None]
    return found.expand(weight.shape)


def connected(node, weight, channels):
    """The whole kernel of a convolution, zero where its table has no connection."""
    table = node["values"]["connections"]
    if table is None:
        return given(node, weight)
    whole = weight.new_zeros(len(table), channels, *weight.shape[1:])
    kernels = iter(weight)
    for number, seen in enumerate(table):
        for channel in seen:
            whole[number, channel] = next(kernels)
    return whole


def radial_basis(node, own, xs, learns):
    (x,) = xs
    centres = given(node, own["weight"])
    distances = [((x - centre) ** 2).sum(-1) for centre in centres]
    return [torch.stack(distances, -1) * (-1 if node["values"]["negative"] else 1)]


EVALUATE = {"radial_basis": radial_basis}
