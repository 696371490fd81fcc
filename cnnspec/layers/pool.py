"""Pooling: maps enter, the same number of smaller maps leaves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from cnnspec import dims
from cnnspec.fields import Boolean, Choice, Number, Padding, PerAxis
from cnnspec.layers.faults import nothing_to_pool
from cnnspec.layers.layer import INDEX, Kept, Misfit, only
from cnnspec.layers.padding import (
    Sides,
    equal_sides,
    keras_fill,
    keras_order,
    keras_word,
    keras_zeros,
    pads,
    sides_of,
    stride_of,
    torch_order,
    torch_padding,
    windows_of,
)
from cnnspec.layers.window import Sliding, walk
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value

TORCH_COUNTED = '''\
def avg_pool{rank}d(x, kernel, stride, counted, uncounted):
    """Averages pixels and counted padding. Sides as in F.pad."""
    ones = F.pad(torch.ones_like(x[:1, :1]), counted, value=1.0)
    x = F.pad(F.pad(x, counted), uncounted)
    shares = F.avg_pool{rank}d(F.pad(ones, uncounted), kernel, stride)
    return F.avg_pool{rank}d(x, kernel, stride) / shares
'''
KERAS_COUNTED = '''\
def avg_pool{rank}d(x, kernel, stride, counted, uncounted):
    """Averages pixels and counted padding. Sides as in ops.pad."""
    ones = ops.pad(ops.ones_like(x[..., :1]), counted, constant_values=1)
    x = ops.pad(ops.pad(x, counted), uncounted)
    shares = ops.average_pool(ops.pad(ones, uncounted), kernel, stride)
    return ops.average_pool(x, kernel, stride) / shares
'''
KERAS_LP = '''\
def lp_pool(x, order, kernel, stride, pixels):
    """(sum of |x|^order)^(1/order) over windows of so many pixels."""
    sums = pixels * ops.average_pool(ops.abs(x) ** order, kernel, stride)
    is_zero = ops.equal(sums, 0)  # there the root has no gradient
    roots = ops.where(is_zero, 1.0, sums) ** (1 / order)
    return ops.where(is_zero, 0.0, roots)
'''


class Pool(Sliding):
    """What max and average pooling share."""

    __slots__ = ()

    kernel = PerAxis(doc="Extent F of a window.")
    stride = PerAxis(
        None, doc="Step S between windows; the kernel where it is not given."
    )
    padding = Padding(
        0,
        doc="Around the input: a number P, `valid` (none), `same` (W/S windows, rounded up), "
        "one number per axis, or before and after for each axis.",
        unit="pixels",
    )
    rounding = Choice(
        dims.FLOOR,
        dims.EXACT,
        dims.CEIL,
        default=dims.FLOOR,
        doc="Where the stride does not divide: drop the last pixels, refuse, or keep the "
        "partial window.",
    )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        windows = self.windows(shape)
        result = maps(shape.sizes[0], *walk(shape, windows, self.rounding))
        if not self.pads_with_numbers and any(
            map(dims.sees_padding_alone, shape.spatial, windows)
        ):
            raise Misfit(nothing_to_pool(windows))
        return (result,)

    @property
    def pads_with_numbers(self) -> bool:
        """Whether a window of padding alone has a value."""
        return False


class MaxPool(Pool):
    """The largest number in each window, per channel; padding never wins (it is -inf).

    Shapes: (C, H, W) -> (C, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    With `rounding: ceil` a last window that would start in the padding after is dropped.
    Source: PyTorch's Pool.h for the rule of `ceil`.
    """

    op = "max_pool"
    example = "- max_pool: {kernel: 3, stride: 2, padding: 1}"

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return Kept(bytes=INDEX * outputs[0].elements)

    def pytorch(self, site: Site) -> list[Step]:
        outside, padding = torch_padding(site, _torch_inside, fill=float("-inf"))
        pool = site.call(
            f"F.max_pool{site.rank}d",
            site.field("kernel"),
            **_unless_kernel(site, "stride"),
            **padding,
            **({} if outside else _ceil_mode(site)),
        )
        return [*outside, pool]

    def keras(self, site: Site) -> list[Step]:
        word = keras_word(site)
        outside = [keras_fill(site, float("-inf"))] if word is None else []
        return [*outside, _keras_pool(site, "MaxPooling", word or {})]


class AvgPool(Pool):
    """The mean of each window, per channel.

    The mean is over the window's pixels and, with `count_padding`, the zeros of its padding. What
    a partial window of `rounding: ceil` lacks beyond the padding never counts.

    Shapes: (C, H, W) -> (C, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Source: PyTorch's AveragePoolKernel.cpp for the divisor.
    """

    op = "avg_pool"
    example = "- avg_pool: {kernel: 2}"

    count_padding = Boolean(True, doc="Whether zeros of the padding enter the mean.")

    @property
    def pads_with_numbers(self) -> bool:
        return self.count_padding

    def pytorch(self, site: Site) -> list[Step]:
        outside, padding = torch_padding(site, _torch_inside_average)
        if outside and any(_any(_uncounted(i)) for i in site.instances):
            return [_counted(site, "F", TORCH_COUNTED)]
        counting = site.unless(True, count_include_pad=site.field("count_padding"))
        pool = site.call(
            f"F.avg_pool{site.rank}d",
            site.field("kernel"),
            **_unless_kernel(site, "stride"),
            **padding,
            **({} if outside else _ceil_mode(site)),
            **(counting if padding else {}),
        )
        return [*outside, pool]

    def keras(self, site: Site) -> list[Step]:
        # Keras' "same" counts no padding; ZeroPadding2D is counted, for it sees numbers.
        word, zeros = keras_word(site), []
        if word is None or (word and any(_any(_counts(i)) for i in site.instances)):
            if any(_any(_uncounted(i)) for i in site.instances):
                return [_counted(site, "ops", KERAS_COUNTED)]
            word, zeros = {}, [keras_zeros(site)]
        return [*zeros, _keras_pool(site, "AveragePooling", word)]


class LpPool(Pool):
    """The p-norm of each window, per channel: (sum of |x|^p)^(1/p).

    p = 1 sums the absolute values, p = 2 is the root of the sum of squares; the larger p, the
    nearer to the largest. Padding adds nothing. Where a window holds zeros alone the gradient
    is 0. For an odd p PyTorch's own `lp_pool` takes no absolute values, and gives NaN where a
    sum is negative: here it is a norm for every p.

    Shapes: (C, H, W) -> (C, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Source: ONNX' LpPool for the formula.
    """

    op = "lp_pool"
    example = "- lp_pool: {order: 2, kernel: 2}"

    order = Number(2, least=1, samples=[2, 1, 3, 2.5], doc="Order p of the norm.")

    @property
    def pads_with_numbers(self) -> bool:
        return True

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        raised = inputs[0].elements  # to the power, before the mean
        return Kept(numbers=raised + 4 * outputs[0].elements)

    def pytorch(self, site: Site) -> list[Step]:
        steps = _torch_zeros(site)
        if not all(i.layer.values["order"] % 2 == 0 for i in site.instances):
            steps.append(site.method("abs"))
        stride = {} if _steps_by_kernel(site) else {"stride": _torch_stride(site)}
        pool = site.call(
            f"F.lp_pool{site.rank}d",
            norm_type=site.field("order"),
            kernel_size=_torch_kernel(site),
            **stride,
        )
        return [*steps, pool]

    def keras(self, site: Site) -> list[Step]:
        outside = [keras_zeros(site)] if pads(site, covering=True) else []
        pool = site.call(
            site.helper("lp_pool", KERAS_LP),
            order=site.field("order"),
            kernel=site.field("kernel"),
            stride=stride_of(site),
            pixels=site.number(_window_size, *_powers(site)),
        )
        return [*outside, pool]


def _torch_zeros(site: Site) -> list[Step]:
    """F.pad before an operation that has no padding; of `ceil` also what hangs over."""
    steps, _ = torch_padding(site, lambda i: None if _any(sides_of(i)) else 0)
    if steps or not pads(site, covering=True):
        return steps
    sides = site.number(lambda i: torch_order(sides_of(i, covering=True)))
    return [site.call("F.pad", sides)]


def _torch_kernel(site: Site) -> Value:
    """A signal's as a number: F.lp_pool1d takes no tuple."""
    field = site.field("kernel")
    if site.rank > 1:
        return field
    return site.number(lambda i: windows_of(i)[0].kernel, field)


def _torch_stride(site: Site) -> Value:
    if site.rank > 1:
        return stride_of(site)
    fields = site.field("stride"), site.field("kernel")
    return site.number(lambda i: windows_of(i)[0].stride, *fields)


def _window_size(instance: Instance) -> int:
    return prod(w.kernel for w in windows_of(instance))


def _powers(site: Site) -> list[Value]:
    """Pixels of a window in terms of the field, where that is one number."""
    from cnnspec.expressions import Binary, Expr, Literal

    kernel = site.field("kernel")
    if not isinstance(kernel, Expr):
        return []
    return [kernel if site.rank == 1 else Binary("**", kernel, Literal(site.rank))]


def _torch_inside(instance: Instance) -> Any:
    """What F.max_pool2d takes as `padding`: at most half the kernel."""
    windows = windows_of(instance)
    return (
        equal_sides(instance)
        if all(2 * w.before <= w.kernel for w in windows)
        else None
    )


def _torch_inside_average(instance: Instance) -> Any:
    """The same of F.avg_pool3d, which refuses maps that are smaller than the kernel unpadded."""
    (shape,) = instance.inputs
    windows = windows_of(instance)
    small = any(s < w.kernel for s, w in zip(shape.spatial, windows, strict=True))
    return None if shape.rank == 3 and small else _torch_inside(instance)


def _unless_kernel(site: Site, name: str) -> dict[str, Value]:
    """The stride under the framework's name; in both the kernel is its default."""
    return {} if _steps_by_kernel(site) else {name: stride_of(site)}


def _steps_by_kernel(site: Site) -> bool:
    return all(w.stride == w.kernel for i in site.instances for w in windows_of(i))


def _ceil_mode(site: Site) -> dict[str, Value]:
    from cnnspec.expressions import Compare, Expr, Literal

    field = site.field("rounding")
    is_ceil = Compare(("==",), (field, Literal(dims.CEIL)))
    ceil = site.number(
        lambda i: i.layer.values["rounding"] == dims.CEIL,
        *([is_ceil] if isinstance(field, Expr) else []),
    )
    return site.unless(False, ceil_mode=ceil)


def _keras_pool(site: Site, name: str, padding: dict[str, Value]) -> Step:
    return site.layer(
        f"layers.{name}{site.rank}D",
        site.field("kernel"),
        **_unless_kernel(site, "strides"),
        **padding,
    )


def _counts(instance: Instance) -> Sides:
    """Padding whose zeros enter the mean."""
    if not instance.layer.values["count_padding"]:
        return tuple((0, 0) for _ in sides_of(instance))
    return tuple(
        (before, min(after, covered))
        for (before, after), (_, covered) in zip(
            sides_of(instance), sides_of(instance, covering=True), strict=True
        )
    )


def _uncounted(instance: Instance) -> Sides:
    """The rest: padding that is not counted, and what hangs over it."""
    return tuple(
        (before - b, after - a)
        for (before, after), (b, a) in zip(
            sides_of(instance, covering=True), _counts(instance), strict=True
        )
    )


def _any(sides: Sides) -> bool:
    return any(map(any, sides))


def _counted(site: Site, module: str, source: str) -> Step:
    """A mean whose divisor no option gives: avgpool(x) / avgpool(ones)."""
    order = torch_order if module == "F" else keras_order
    return site.call(
        site.helper(f"avg_pool{site.rank}d", source.format(rank=site.rank)),
        site.field("kernel"),
        stride_of(site),
        site.number(lambda i: order(_counts(i))),
        site.number(lambda i: order(_uncounted(i))),
    )
