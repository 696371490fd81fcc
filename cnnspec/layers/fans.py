"""How kernels begin whose fans a framework takes for others: depthwise and transposed ones.

The fan in is the number of inputs that one output sums over. For a depthwise kernel (k, k, C, M)
Keras takes it for the fan out, k k M, and for a transposed one (k, k, O, I) too, whose output
sums over I k k only at stride 1. So Keras is told the fan out, and how often it holds the fan in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Value
    from cnnspec.emit.statements import Statement
    from cnnspec.initializers import Initializer

SCALING = "keras.initializers.VarianceScaling"
KERAS_HE = '''\
def he_normal_swapped(times=1):
    """He normal, where Keras' fan_out is the fan_in so many times."""
    scale = 2.0 * times
    return keras.initializers.VarianceScaling(scale, "fan_out", "untruncated_normal")
'''
TORCH_FAN_IN = '''\
def fan_in(conv):
    """How many numbers an output of a transposed convolution sums over, on average."""
    return conv.weight.numel() / conv.out_channels / math.prod(conv.stride)
'''
TORCH_HE = """\
nn.init.normal_(module.weight, std=math.sqrt(2 / _fan_in(module)))
if module.bias is not None:
    nn.init.zeros_(module.bias)
"""
TORCH_BILINEAR = '''\
def bilinear_(kernel):
    """Each channel is interpolated alone: a transposed kernel (I, O / groups, k, k)."""
    weights = torch.ones(())
    for size in kernel.shape[2:]:
        factor = (size + 1) // 2
        center = factor - 1 if size % 2 else factor - 0.5
        axis = 1 - (torch.arange(size) - center).abs() / factor
        weights = weights[..., None] * axis
    inputs, outputs = kernel.shape[:2]
    same = torch.eye(outputs).repeat(inputs // outputs, 1)
    with torch.no_grad():
        kernel.copy_(torch.tensordot(same, weights, 0))
'''
KERAS_BILINEAR = '''\
def bilinear(shape, dtype=None):
    """Each channel is interpolated alone: a transposed kernel (k, k, O / groups, I)."""
    *window, outputs, inputs = shape
    weights = ops.ones(())
    for size in window:
        factor = (size + 1) // 2
        center = factor - 1 if size % 2 else factor - 0.5
        axis = 1 - ops.abs(ops.arange(size, dtype="float32") - center) / factor
        weights = ops.expand_dims(weights, -1) * axis
    same = ops.tile(ops.eye(outputs), (1, inputs // outputs))
    return ops.cast(ops.tensordot(weights, same, 0), dtype)
'''


def keras_swapped(site: Site, times: Value) -> Value:
    """The initializer of a kernel whose fan out, in Keras' eyes, is `times` its fan in."""
    from cnnspec.expressions import Binary, Expr, Literal

    if site.init is None:
        he_normal = site.helper("he_normal_swapped", KERAS_HE)
        return site.made(he_normal, *([] if times == 1 else [times]))
    if site.init.fan != "in":
        return site.initializer(site.init)
    scale, _, distribution = site.init.keras().args
    is_known = not isinstance(times, Expr)
    scaled = scale * times if is_known else Binary("*", Literal(scale), times)
    return site.made(SCALING, scaled, "fan_out", distribution)


def keras_usual(site: Site) -> Value:
    """The initializer of a kernel whose fans Keras knows."""
    from cnnspec.initializers import HeNormal

    return site.initializer(HeNormal({}))


def torch_transposed(module: str, init: Initializer) -> list[Statement]:
    """Draws a transposed kernel by its fan in; no statement for other distributions."""
    from cnnspec.emit.call import Call, Keyword
    from cnnspec.emit.statements import Assign

    if init.fan != "in":
        return []
    scale, _, distribution = init.keras().args
    weight, fan_in = f"{module}.weight", f"_fan_in({module})"
    if distribution == "uniform":
        limit = Call("math.sqrt", (f"{3 * scale:g} / {fan_in}",))
        draw = Call("nn.init.uniform_", (weight, "-limit", "limit"))
        return [Assign("limit", limit), Assign("", draw)]
    deviation = Call("math.sqrt", (f"{scale:g} / {fan_in}",))
    draw = Call("nn.init.normal_", (weight, Keyword("std", deviation)))
    return [Assign("", draw)]
