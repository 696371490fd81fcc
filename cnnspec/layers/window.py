"""What convolution and pooling share: fields of a window in, resolved windows per axis out."""

from __future__ import annotations

from functools import lru_cache

from cnnspec import dims
from cnnspec.dims import Window
from cnnspec.fields import spread
from cnnspec.layers.faults import axes_fault, inexact, padding_alone, too_large, unread
from cnnspec.layers.layer import Layer, Misfit, Reach, Remark, Remedy
from cnnspec.shapes import Shape

PerAxis = int | tuple[int, ...]


class Sliding(Layer):
    """A layer whose window slides over maps.

    Its fields are kernel, stride, padding and rounding, and it may have a dilation.
    """

    __slots__ = ()

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        """One per spatial axis; raises Misfit (CS303)."""
        values = self.values
        kernel, stride = values["kernel"], values["stride"]
        return resolve_windows(
            shape.spatial,
            kernel,
            kernel if stride is None else stride,
            values["padding"],
            values.get("dilation", 1),
        )

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        windows = self.windows(inputs[0])
        return Reach(tuple(w.extent for w in windows), tuple(w.stride for w in windows))

    def remarks(self, inputs: tuple[Shape, ...]) -> list[Remark]:
        (shape,) = inputs
        windows = self.windows(shape)
        rounding = self.values["rounding"]
        found = [skipped(windows)] if any(map(skips, windows)) else []
        if any(map(dims.sees_padding_alone, shape.spatial, windows)):
            found.append(padding_alone(windows))
        if rounding != dims.CEIL and any(map(dims.dropped, shape.spatial, windows)):
            ceil = dims.CEIL in getattr(self.fields["rounding"], "options", ())
            found.append(unread(shape, windows, ceil))
        return found


def skips(window: Window) -> bool:
    """Whether pixels between two windows are read by none; a projection is meant to."""
    return 1 < window.extent < window.stride


def skipped(windows: tuple[Window, ...]) -> Remark:
    """CS406."""
    window = next(filter(skips, windows))
    return Remark(
        "CS406",
        "windows lie apart: no window reads the pixels between them",
        f"stride {window.stride}, kernel {window.extent}",
        field="stride",
        remedies=(
            Remedy({"stride": window.extent}, f"stride {window.extent}"),
            Remedy({"kernel": window.stride}, f"kernel {window.stride}"),
        ),
    )


@lru_cache(maxsize=1024)  # asked for by each question about a layer
def resolve_windows(
    spatial: tuple[int, ...],
    kernel: PerAxis,
    stride: PerAxis,
    padding: str | PerAxis,
    dilation: PerAxis = 1,
) -> tuple[Window, ...]:
    """One Window per spatial axis, its padding resolved to integers.

    Raises: Misfit (CS303) where a list does not have one number per axis.
    """
    rank = len(spatial)
    kernels = along_axes("kernel", kernel, rank)
    strides = along_axes("stride", stride, rank)
    dilations = along_axes("dilation", dilation, rank)
    if padding == "same":
        pads: tuple[tuple[int, int], ...] = tuple(
            map(dims.same, spatial, kernels, strides, dilations)
        )
    elif isinstance(padding, str):
        pads = ((0, 0),) * rank
    else:
        pads = along_sides("padding", padding, rank)
    return tuple(
        Window(k, s, before, after, d)
        for k, s, (before, after), d in zip(
            kernels, strides, pads, dilations, strict=True
        )
    )


def along_sides(field: str, value: PerAxis, rank: int) -> tuple[tuple[int, int], ...]:
    """Amounts as (before, after) by axis; raises Misfit (CS303)."""
    if isinstance(value, int):
        return ((value, value),) * rank
    if len(value) == rank:
        return tuple((v, v) for v in value)
    if len(value) == 2 * rank:
        return tuple(zip(value[::2], value[1::2], strict=True))
    raise axes_fault(field, value, rank, sides=True)


def along_axes(field: str, value: PerAxis, rank: int) -> tuple[int, ...]:
    """A number for each axis; raises Misfit (CS303)."""
    result = spread(value, rank)
    if result is None:
        raise axes_fault(field, value, rank)
    return result


def walk(shape: Shape, windows: tuple[Window, ...], rounding: str) -> tuple[int, ...]:
    """Output extent per axis.

    Raises: Misfit CS301 where the window is larger than its padded input, CS304 where
        `rounding: exact` is asked for and the stride does not divide.
    """
    ceil = rounding == dims.CEIL
    counts = tuple(
        dims.count(size, window, ceil)
        for size, window in zip(shape.spatial, windows, strict=True)
    )
    if min(counts) <= 0:
        raise Misfit(too_large(shape, windows))
    if rounding == dims.EXACT and any(map(dims.remainder, shape.spatial, windows)):
        raise Misfit(inexact(shape, windows))
    return counts
