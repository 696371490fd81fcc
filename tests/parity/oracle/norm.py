"""Normalisations."""


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


EVALUATE = {"batch_norm": batch_norm}
