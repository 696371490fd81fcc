"""The same numbers in another place, copied one by one where that is possible."""

import torch

NAMES = ("channels", "depth", "height", "width")


def pixel_shuffle(node, own, xs, learns):
    (x,), factor = xs, node["values"]["factor"]
    count, channels, height, width = x.shape
    if node["values"]["inverse"]:
        y = x.new_empty(count, channels * factor**2, height // factor, width // factor)
    else:
        y = x.new_empty(count, channels // factor**2, height * factor, width * factor)
    large, small = (x, y) if node["values"]["inverse"] else (y, x)
    for c in range(large.shape[1]):
        for i in range(factor):
            for j in range(factor):
                channel = c * factor**2 + i * factor + j
                if node["values"]["inverse"]:
                    small[:, channel] = large[:, c, i::factor, j::factor]
                else:
                    large[:, c, i::factor, j::factor] = small[:, channel]
    return [y]


def channel_shuffle(node, own, xs, learns):
    (x,), groups = xs, node["values"]["groups"]
    each = x.shape[1] // groups
    order = [i * each + k for k in range(each) for i in range(groups)]
    return [torch.stack([x[:, channel] for channel in order], 1)]


def permute(node, own, xs, learns):
    return [xs[0].permute(0, *(axis + 1 for axis in node["values"]["axes"]))]


def reshape(node, own, xs, learns):
    (x,), values = xs, node["values"]
    if values["features"] is not None:
        sizes = [values["length"], values["features"]]
    elif values["length"] is not None:
        sizes = [values["channels"], values["length"]]
    else:
        sizes = [values[name] for name in NAMES]
    return [x.reshape(x.shape[0], *(size for size in sizes if size is not None))]


EVALUATE = {
    "pixel_shuffle": pixel_shuffle,
    "channel_shuffle": channel_shuffle,
    "permute": permute,
    "reshape": reshape,
}
