"""Window arithmetic on one axis, in integers: sizes enter, counts of windows leave.

The textbook's formula is (W - F + 2P)/S + 1. Padding may differ by side, dilation D spreads a
kernel of F over (F - 1)D + 1 pixels, and where the stride does not divide, `rounding` decides.
"""

from __future__ import annotations

from typing import NamedTuple

FLOOR, CEIL, EXACT = "floor", "ceil", "exact"


class Window(NamedTuple):
    """A kernel's walk along one axis; all in pixels."""

    kernel: int
    stride: int
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Pixels that one window spans: (F - 1)D + 1."""
        return (self.kernel - 1) * self.dilation + 1


def room(size: int, window: Window) -> int:
    """W - F + 2P: pixels that the first window can move; negative where it does not fit."""
    return size + window.before + window.after - window.extent


def count(size: int, window: Window, ceil: bool = False) -> int:
    """Number of windows along an axis of `size` pixels; 0 where none fits.

    Source: PyTorch's Pool.h, pooling_output_shape: with `ceil`, a window that would start in
    the padding after is dropped.
    """
    free = room(size, window)
    if free < 0:
        return 0
    if not ceil:
        return free // window.stride + 1
    windows = -(-free // window.stride) + 1
    if (windows - 1) * window.stride >= size + window.before:
        windows -= 1
    return windows


def covering(size: int, window: Window) -> Window:
    """The same windows as `ceil` keeps, with the padding after that holds their overhang.

    So `count(size, covering(size, window)) == count(size, window, ceil=True)`.
    """
    last = (count(size, window, ceil=True) - 1) * window.stride
    return window._replace(after=max(last + window.extent - size - window.before, 0))


def remainder(size: int, window: Window) -> int:
    """What (W - F + 2P)/S leaves: 0 where the window fits exactly."""
    return room(size, window) % window.stride


def dropped(size: int, window: Window) -> int:
    """Pixels after the last whole window that one more window would read.

    Dropped padding does not count, for it holds no pixel, nor do the pixels that a stride
    beyond the kernel skips between any two windows.
    """
    if room(size, window) < 0:
        return 0
    gap = max(window.stride - window.extent, 0)
    return min(max(remainder(size, window) - gap - window.after, 0), size)


def sees_padding_alone(size: int, window: Window) -> bool:
    """Whether the first or the last window spans no pixel."""
    last = (count(size, window) - 1) * window.stride - window.before
    return window.before >= window.extent or last >= size


def same(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) that gives ceil(W/S) windows, the odd pixel after.

    Source: ONNX' auto_pad SAME_UPPER, which is what TensorFlow's "same" does.
    """
    windows = -(-size // stride)
    total = max((windows - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def fitting_paddings(size: int, kernel: int, stride: int, dilation: int = 1) -> range:
    """Paddings P on both sides, below the extent, with which the window fits exactly.

    They solve 2P = F - W (mod S), so each differs from the next by S, or S/2 if S is even.
    """
    extent = (kernel - 1) * dilation + 1
    least = max(-((size - extent) // 2), 0)  # fewer leave no room for one window
    if stride % 2:
        step = stride
        first = (extent - size) * ((stride + 1) // 2) % stride
    elif (extent - size) % 2:
        return range(0)
    else:
        step = stride // 2
        first = (extent - size) // 2 % step
    return range(first + -(-max(least - first, 0) // step) * step, extent, step)
