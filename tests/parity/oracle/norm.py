"""Normalisations."""

import torch


def per_channel(value, x):
    return value.reshape(1, -1, *(1 for _ in x.shape[2:]))


def over_channels(x):
    return [axis for axis in range(x.dim()) if axis != 1]


def normalise(values, own, x, learns):
    mean, variance = own["running_mean"], own["running_var"]
    if learns:
        mean = x.mean(over_channels(x))
        variance = x.var(over_channels(x), correction=0)
    deviation = per_channel((variance + values["epsilon"]).sqrt(), x)
    scaled = (x - per_channel(mean, x)) / deviation * per_channel(own["weight"], x)
    return scaled + per_channel(own["bias"], x)


def following(values, own, x, learns):
    decay = values["decay"] if learns else 1
    return decay * own["running_mean"] + (1 - decay) * x.mean(over_channels(x))


def batch_norm(node, own, xs, learns):
    return [normalise(node["values"], own, xs[0], learns)]


def scaled(own, x, y, axes):
    """Times the scale, plus the shift, which lie along the axes."""
    for name, apply in (("weight", torch.mul), ("bias", torch.add)):
        if name in own:
            sizes = [x.shape[a] if a in axes else 1 for a in range(x.dim())]
            y = apply(y, own[name].reshape(sizes))
    return y


def together(values, layout, x):
    """The axes that layer norm and RMS norm take together."""
    if layout != "maps":
        return [x.dim() - 1]
    return [1] if values["over"] == "channels" else list(range(1, x.dim()))


def layer_norm(node, own, xs, learns):
    (x,), values = xs, node["values"]
    axes = together(values, node["layouts"][0], x)
    mean = x.mean(axes, keepdim=True)
    variance = ((x - mean) ** 2).mean(axes, keepdim=True)
    return [scaled(own, x, (x - mean) / (variance + values["epsilon"]).sqrt(), axes)]


def rms_norm(node, own, xs, learns):
    (x,), values = xs, node["values"]
    axes = together(values, node["layouts"][0], x)
    mean_square = (x**2).mean(axes, keepdim=True)
    return [scaled(own, x, x / (mean_square + values["epsilon"]).sqrt(), axes)]


def by_groups(groups, values, own, x):
    parts = []
    for part in x.chunk(groups, 1):
        numbers = part.flatten(1)
        centred = numbers - numbers.mean(1, keepdim=True)
        deviation = ((centred**2).mean(1, keepdim=True) + values["epsilon"]).sqrt()
        parts.append((centred / deviation).reshape(part.shape))
    return scaled(own, x, torch.cat(parts, 1), [1])


def group_norm(node, own, xs, learns):
    return [by_groups(node["values"]["groups"], node["values"], own, xs[0])]


def instance_norm(node, own, xs, learns):
    return [by_groups(xs[0].shape[1], node["values"], own, xs[0])]


def local_response_norm(node, own, xs, learns):
    (x,), values = xs, node["values"]
    size, responses = values["size"], []
    for channel in range(x.shape[1]):
        first = channel - size // 2
        around = x[:, max(first, 0) : max(first + size, 0)]
        total = (around**2).sum(1)
        responses.append((values["k"] + values["alpha"] * total) ** values["beta"])
    return [x / torch.stack(responses, 1)]


EVALUATE = {
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "local_response_norm": local_response_norm,
}
