"""Kernels whose numbers are given: the field `weights` enters, checked and emitted it leaves.

The same rules hold for `init: {values: …}`, whose kernels learn on from there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cnnspec.arrays import Constant, Given, Nested, shape_of
from cnnspec.layers.layer import Layer, Misfit, Remark, Weight

if TYPE_CHECKING:
    from cnnspec.emit.call import Code
    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.shapes import Shape

TORCH_CONSTANT = '''\
def constant(layer, weight):
    """The layer with a weight that is given and never learns."""
    layer.weight.requires_grad_(False).copy_(weight)
    return layer
'''
KERAS_CONSTANT = '''\
class Constant{name}({base}):
    """A layer whose kernel never learns, not even if all layers are made trainable."""

    def add_weight(self, *args, name, trainable=True, **options):
        learns = trainable and name != "kernel"
        return super().add_weight(*args, name=name, trainable=learns, **options)
'''
KERAS_GIVEN = '''\
def given(numbers, scale=1):
    """Begins a kernel with numbers in the order (filters, channels, height, width)."""

    def initializer(shape, dtype):
        values = scale * ops.convert_to_tensor(numbers, dtype)
        if len(values.shape) == len(shape) - 1:
            values = ops.expand_dims(values, 1)  # each channel gets the same
        values = ops.broadcast_to(values, (shape[-1], shape[-2], *shape[:-2]))
        return ops.moveaxis(values, (0, 1), (-1, -2))  # Keras has these last

    return initializer
'''
KERAS_ROWS = '''\
def given_rows(rows, scale=1):
    """Begins a kernel with numbers unit by unit; those of a unit stand in rows."""

    def initializer(shape, dtype):
        values = scale * ops.convert_to_tensor(rows, dtype)
        return ops.transpose(ops.reshape(values, shape[::-1]))

    return initializer
'''


KERAS_BY_CHANNEL = '''\
def given_by_channel(numbers, scale=1):
    """Begins a depthwise kernel with numbers in the order (filters, height, width)."""

    def initializer(shape, dtype):
        values = scale * ops.convert_to_tensor(numbers, dtype)
        if len(values.shape) == len(shape):
            values = ops.squeeze(values, 1)  # (filters, 1, height, width)
        values = ops.broadcast_to(values, (shape[-2] * shape[-1], *shape[:-2]))
        return ops.reshape(ops.moveaxis(values, 0, -1), shape)

    return initializer
'''


def constant_field(what: str = "kernel", more: str = "") -> Constant:
    """The field `weights`."""
    return Constant(
        None,
        doc=f"The {what} as constants that never learn: `{{constant: NUMBERS, scale: 1}}`. "
        "The numbers, each times `scale`, stand in lists of the shape of the weight, "
        "filter by filter; without the axis of the channels each channel gets the same, "
        f"without that of the filters each filter.{more}",
    )


class MayBeGiven(Layer):
    """What has the field `weights`, its first tensor as constants."""

    __slots__ = ()

    @property
    def given(self) -> Given | None:
        """The constants; the name `weights` is that of the tensors."""
        given: Given | None = self.values["weights"]
        return given

    def check_given(self, inputs: tuple[Shape, ...]) -> None:
        """Raises Misfit (CS330) where the constants have another shape than the tensor."""
        if self.given is not None:
            weight = self.weights(inputs)[0]
            check_shape(self.given.constant, weight.shape, "weights", self.takes_rows)


def check_shape(
    numbers: Nested, weight: tuple[int, ...], field: str, rows: bool = False
) -> None:
    """Raises Misfit (CS330) where the numbers don't fill a weight (O, I, kernel...).

    Args:
        rows: what follows the first axis may be nested otherwise, as rows of a bitmap.
    """
    shape = shape_of(numbers)
    takes = [weight, (weight[0], *weight[2:]), weight[2:]]
    if shape is not None and (not shape or shape in takes):
        return
    if rows and shape is not None and shape[0] == weight[0]:
        flat = 1
        for size in shape[1:]:
            flat *= size
        if flat == weight[1]:
            return
    *firsts, last = ["x".join(map(str, one)) for one in dict.fromkeys(takes) if one]
    wanted = f"{', '.join(firsts)} or {last}" if firsts else last
    if shape is None:
        gets = "gets lists of different lengths"
    else:
        gets = f"gets {'x'.join(map(str, shape))}"
    raise Misfit(
        Remark(
            "CS330",
            "the numbers have another shape than the weight",
            f"{gets}, takes {wanted}",
            field=field,
        )
    )


def torch_kernel(site: Site, function: str, /, *args: Value, **options: Value) -> Step:
    """The module, its weight constant where the field `weights` is given."""
    if not has_constant(site):
        return site.module(function, *args, **options)
    from cnnspec.emit.render import Verbatim

    numbers, scale = site.written(_numbers(site)), site.part("weights", "scale")
    tensor = torch_tensor(numbers, _axes(site), _full(site), _torch_scale(site, scale))
    made = site.made(function, *args, **options)
    return site.module(site.helper("constant", TORCH_CONSTANT), made, Verbatim(tensor))


def torch_tensor(numbers: Code, axes: int, full: int, scale: Code | None) -> Code:
    """The numbers as a tensor that can be copied into a weight.

    Args:
        axes: of the numbers.
        full: axes of the weight.
        scale: what they are multiplied by; None for 1.
    """
    from cnnspec.emit.call import Attribute, Binary, Call, Parenthesized

    tensor: Code = Call("torch.tensor", (numbers,))
    if axes == full - 1:
        tensor = Call(Attribute(tensor, "unsqueeze"), ("1",))
    elif axes > full:
        tensor = Call(Attribute(tensor, "flatten"), ("1",))
    if scale is None:
        return tensor
    if isinstance(scale, str) and re.fullmatch(r"1 / \d+", scale):
        return Binary("/", (tensor, scale.removeprefix("1 / ")))
    is_term = isinstance(scale, str) and re.fullmatch(r"-?[\w.]+", scale)
    return Binary("*", (tensor, scale if is_term else Parenthesized(scale)))


def _torch_scale(site: Site, scale: Value) -> Code | None:
    return site.written(scale) if site.unless(1, scale=scale) else None


def keras_kernel(site: Site, layer: str, /, *args: Value, **options: Value) -> Step:
    """The layer, its kernel constant where the field `weights` is given."""
    if not has_constant(site):
        return site.layer(layer, *args, **options)
    return keras_constant(site, layer, f"layers.{layer}", *args, **options)


def keras_constant(
    site: Site,
    name: str,
    base: str,
    /,
    *args: Value,
    helper: tuple[str, str] | None = None,
    **options: Value,
) -> Step:
    """A layer of the class `base` whose kernel is constant.

    Args:
        helper: the function that makes its initializer, and the source.
    """
    source = KERAS_CONSTANT.format(name=name, base=base)
    is_rows = _axes(site) > _full(site)
    usual = ("given_rows", KERAS_ROWS) if is_rows else ("given", KERAS_GIVEN)
    scale = site.unless(1, scale=site.part("weights", "scale"))
    begin = site.made(site.helper(*(helper or usual)), _numbers(site), **scale)
    keyword = "depthwise_initializer" if helper else "kernel_initializer"
    constant = site.helper(f"Constant{name}", source)
    return site.layer(constant, *args, **options, **{keyword: begin})


def has_constant(site: Site) -> bool:
    """Whether `weights` is given: an argument that hands it on can't be empty."""
    return site.instances[0].layer.values["weights"] is not None


def _axes(site: Site) -> int:
    """Axes of the numbers."""
    found: int = site.common(_axes_of, "the number of axes of `weights`", "weights")
    return found


def _axes_of(instance: Instance) -> int:
    given = instance.layer.values["weights"]
    assert isinstance(given, Given)
    shape = shape_of(given.constant)
    assert shape is not None  # `infer` has checked it
    return len(shape)


def _full(site: Site) -> int:
    """Axes of the weight."""
    first = site.instances[0]
    return len(first.layer.weights(first.inputs)[0].shape)


def _numbers(site: Site) -> Value:
    """The name of a constant of the module, or what the block is given."""
    suffix = "centres" if site.instances[0].layer.takes_rows else "kernel"
    return site.constant(suffix, site.part("weights", "constant"))


def constant_weight(shape: tuple[int, ...], given: Given | None) -> Weight:
    return Weight("weight", shape, constant=given is not None)
