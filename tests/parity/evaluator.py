"""A checked graph as plain data, weights and inputs enter; each output leaves.

The side that shares nothing with the generator: every operation is said again, in the words of
its page, over the graph's nodes. Padding is always explicit.
"""

import math
from functools import reduce

import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "none": lambda x: x,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: x.softmax(1),
}
MERGES = {
    "add": lambda xs: reduce(torch.add, xs),
    "multiply": lambda xs: reduce(torch.mul, xs),
    "average": lambda xs: sum(xs) / len(xs),
    "maximum": lambda xs: reduce(torch.maximum, xs),
    "concat": lambda xs: torch.cat(xs, 1),
}
LOGITS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


def evaluate(graph, state, inputs, training=False):
    """The outputs by name, and the running means after it by their key in the state.

    Args:
        graph: {"nodes": [...], "outputs": {name: [node, port]}, "loss": its name or None}.
        state: a PyTorch model's state dict, whose keys are the nodes' paths.
        inputs: by name.
    """
    weights, running = {}, {}
    for key, value in state.items():
        path, _, name = key.rpartition(".")
        weights.setdefault(path, {})[name] = value
    found = []
    for node in graph["nodes"]:
        if node["op"] is None:
            found.append([inputs[node["path"]]])
            continue
        path = node["path"].replace("[", ".").replace("]", "")
        xs = [found[number][port] for number, port in node["inputs"]]
        own = weights.get(path, {})
        learns = training and node["trainable"]
        if node["op"] == "batch_norm":
            running[f"{path}.running_mean"] = following(
                node["values"], own, *xs, learns
            )
        found.append(apply(node["op"], node["values"], own, xs, learns))
    final = LOGITS.get(graph["loss"])
    outputs = {}
    for name, (number, port) in graph["outputs"].items():
        node = graph["nodes"][number]
        if final and node["op"] == final:  # the loss applies it
            number, port = node["inputs"][0]
        elif final and (node["values"] or {}).get("activation") == final:
            path = node["path"].replace("[", ".").replace("]", "")
            values = {**node["values"], "activation": "none"}
            xs = [found[n][p] for n, p in node["inputs"]]
            outputs[name] = apply(node["op"], values, weights[path], xs, training)[port]
            continue
        outputs[name] = found[number][port]
    return outputs, running


def apply(op, values, own, xs, learns):
    """What a node's ports hold."""
    x = xs[0]
    if op == "split":
        return x.chunk(values["parts"], 1)
    if op in MERGES:
        return [MERGES[op](xs)]
    if op in ACTIVATIONS:
        return [ACTIVATIONS[op](x)]
    if op in ("identity", "dropout"):
        return [x]
    if op == "flatten":
        return [x.flatten(1)]
    if op == "global_avg_pool":
        means = x.flatten(2).mean(2)
        shape = (*means.shape, *(1 for _ in x.shape[2:]))
        return [means.reshape(shape) if values["keep"] else means]
    if op == "batch_norm":
        return [normalise(values, own, x, learns)]
    if op == "dense":
        y = x @ own["weight"].T + own.get("bias", 0)
    elif op == "conv":
        y = convolve(values, own, x)
    else:
        return [{"max_pool": largest, "avg_pool": mean}[op](values, x)]
    return [ACTIVATIONS[values["activation"]](y)]


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


def windows(values, x):
    """Kernel, stride, dilation, padding (before, after) and overhang of `ceil`, by axis."""
    sizes = x.shape[2:]
    padding = values["padding"]
    if isinstance(padding, list) and len(padding) == len(sizes):
        padding = [side for amount in padding for side in (amount, amount)]
    found = []
    for axis, size in enumerate(sizes):
        k, s, d = (
            value[axis] if isinstance(value, list) else value
            for value in (
                values["kernel"],
                values["kernel"] if values["stride"] is None else values["stride"],
                values.get("dilation", 1),
            )
        )
        extent = (k - 1) * d + 1
        if padding == "same":
            total = max((math.ceil(size / s) - 1) * s + extent - size, 0)
            sides = (total // 2, total - total // 2)
        elif padding == "valid":
            sides = (0, 0)
        elif isinstance(padding, list):
            sides = (padding[2 * axis], padding[2 * axis + 1])
        else:
            sides = (padding, padding)
        over = 0
        if values["rounding"] == "ceil":
            padded = size + sum(sides)
            last = math.ceil((padded - extent) / s) * s
            last -= s if last >= size + sides[0] else 0  # starts in the padding after
            over = last + extent - padded  # negative: what the dropped window read
        found.append((k, s, d, sides, over))
    return found


def pad(x, sides, value=0.0):
    """Sides are (before, after), the first axis first."""
    return F.pad(x, [n for pair in reversed(sides) for n in pair], value=value)


def convolve(values, own, x):
    kernels, strides, dilations, sides, _ = zip(*windows(values, x), strict=True)
    function = (F.conv1d, F.conv2d, F.conv3d)[len(kernels) - 1]
    padded, groups = pad(x, sides), values["groups"]
    return function(
        padded, own["weight"], own.get("bias"), strides, 0, dilations, groups
    )


def unfolded(x, kernels, strides):
    """(N, C, H, W) to (N, C, H', W', F x F): the pixels of each window."""
    for axis, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
        x = x.unfold(2 + axis, kernel, stride)
    return x.flatten(-len(kernels))


def largest(values, x):
    kernels, strides, _, sides, over = zip(*windows(values, x), strict=True)
    padded = pad(
        x, [(a, b + o) for (a, b), o in zip(sides, over, strict=True)], -math.inf
    )
    return unfolded(padded, kernels, strides).amax(-1)


def mean(values, x):
    """Over the pixels and, where the padding counts, its zeros; never over what hangs over."""
    kernels, strides, _, sides, over = zip(*windows(values, x), strict=True)
    beyond = [(0, o) for o in over]
    counted = pad(torch.ones_like(x), sides, float(values["count_padding"]))
    counts = unfolded(pad(counted, beyond), kernels, strides).sum(-1)
    return unfolded(pad(pad(x, sides), beyond), kernels, strides).sum(-1) / counts
