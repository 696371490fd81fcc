"""Window arithmetic against the textbook's examples, PyTorch, and pixels counted one by one."""

from __future__ import annotations

import random

import pytest
import torch
from torch.nn import functional as F

from cnnspec import dims
from cnnspec.dims import Window

# input, kernel, stride, padding, windows
WORKED = [
    (7, 3, 1, 0, 5),
    (7, 3, 2, 0, 3),
    (7, 3, 1, 1, 7),
    (32, 5, 1, 0, 28),
    (28, 5, 1, 0, 24),
    (32, 5, 1, 2, 32),
    (6, 3, 1, 0, 4),
    (6, 3, 1, 1, 6),
    (5, 3, 1, 0, 3),
    (8, 4, 2, 0, 3),
]


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "windows"), WORKED)
def test_worked_example_has_its_size(
    size: int, kernel: int, stride: int, padding: int, windows: int
) -> None:
    window = Window(kernel, stride, padding, padding)
    assert dims.count(size, window) == windows
    assert dims.remainder(size, window) == 0


def test_stride_3_does_not_fit_a_3_wide_filter_on_7_pixels() -> None:
    window = Window(3, 3)
    assert dims.remainder(7, window) == 1
    assert dims.count(7, window) == 2
    assert dims.count(7, window, ceil=True) == 3


@pytest.mark.parametrize(("kernel", "padding"), [(3, 1), (5, 2), (7, 3)])
def test_same_padding_of_an_odd_filter_is_half_of_it(kernel: int, padding: int) -> None:
    assert dims.same(32, kernel, 1) == (padding, padding)


def test_any_padding_fits_a_5_wide_filter_with_stride_2_on_odd_sizes_and_none_on_even() -> (
    None
):
    assert list(dims.fitting_paddings(31, 5, 2)) == [0, 1, 2, 3, 4]
    assert list(dims.fitting_paddings(32, 5, 2)) == []


def test_same_padding_of_an_even_total_is_uneven_with_the_odd_pixel_after() -> None:
    assert dims.same(224, 7, 2) == (2, 3)


def _windows(seed: int, cases: int) -> list[tuple[int, Window]]:
    draw = random.Random(seed)
    found = []
    for _ in range(cases):
        window = Window(
            draw.randint(1, 6),
            draw.randint(1, 6),
            draw.randint(0, 7),
            draw.randint(0, 7),
            draw.randint(1, 3),
        )
        found.append((draw.randint(1, 20), window))
    return found


def test_windows_of_a_convolution_are_as_many_as_pytorchs() -> None:
    compared = 0
    for size, window in _windows(seed=1, cases=400):
        kernel, stride, before, after, dilation = window
        if dims.room(size, window) < 0:
            assert dims.count(size, window) == 0
            continue
        image = F.pad(torch.empty(1, 1, size, device="meta"), (before, after))
        weight = torch.empty(1, 1, kernel, device="meta")
        out = F.conv1d(image, weight, stride=stride, dilation=dilation)
        assert out.shape[-1] == dims.count(size, window), (size, window)
        compared += 1
    assert compared > 200


@pytest.mark.parametrize("ceil", [False, True])
def test_windows_of_a_pool_are_as_many_as_pytorchs(ceil: bool) -> None:
    compared = 0
    for size, (kernel, stride, before, _, _) in _windows(seed=2, cases=600):
        window = Window(kernel, stride, before, before)
        if 2 * before > kernel or dims.room(size, window) < 0:
            continue
        out = F.max_pool1d(
            torch.zeros(1, 1, size), kernel, stride, padding=before, ceil_mode=ceil
        )
        assert out.shape[-1] == dims.count(size, window, ceil), (size, window)
        compared += 1
    assert compared > 100


def test_ceil_pool_drops_window_starting_in_right_padding() -> None:
    assert dims.count(4, Window(2, 2, 1, 1), ceil=True) == 3
    assert (
        dims.count(5, Window(2, 2, 1, 1), ceil=True) == 3
    )  # a fourth would start at 5


def test_covering_makes_floor_give_the_windows_of_ceil() -> None:
    for size, window in _windows(seed=3, cases=400):
        if dims.room(size, window) >= 0:
            covering = dims.covering(size, window)
            assert dims.count(size, covering) == dims.count(size, window, ceil=True)


def test_same_gives_input_over_stride_rounded_up() -> None:
    for size, (kernel, stride, _, _, dilation) in _windows(seed=4, cases=400):
        before, after = dims.same(size, kernel, stride, dilation)
        window = Window(kernel, stride, before, after, dilation)
        assert dims.count(size, window) == -(-size // stride)
        assert after - before in (0, 1)


def test_dropped_pixels_are_those_that_only_one_more_window_would_read() -> None:
    some = 0
    for size, window in _windows(seed=5, cases=600):
        windows = dims.count(size, window)
        if not windows:
            assert dims.dropped(size, window) == 0
            continue
        start = windows * window.stride - window.before  # of the window that is missing
        last = start - window.stride + window.extent
        lost = [pixel for pixel in range(size) if pixel >= start and pixel >= last]
        assert dims.dropped(size, window) == len(lost), (size, window)
        some += bool(lost)
    assert some > 50


def test_stride_beyond_the_kernel_skips_pixels_without_dropping_them() -> None:
    assert dims.dropped(56, Window(1, 2)) == 0  # a projection of ResNet
    assert dims.dropped(9, Window(2, 4)) == 1


def test_dropped_padding_holds_no_pixel() -> None:
    assert dims.dropped(224, Window(3, 2)) == 1
    assert dims.dropped(224, Window(3, 2, 1, 1)) == 0


def test_window_sees_padding_alone_where_it_spans_no_pixel() -> None:
    for size, window in _windows(seed=6, cases=400):
        starts = [
            i * window.stride - window.before for i in range(dims.count(size, window))
        ]
        alone = [s for s in starts if s + window.extent <= 0 or s >= size]
        assert dims.sees_padding_alone(size, window) == bool(alone), (size, window)


def test_fitting_paddings_are_all_below_the_extent_that_leave_no_rest() -> None:
    for size, (kernel, stride, _, _, dilation) in _windows(seed=7, cases=400):
        extent = (kernel - 1) * dilation + 1
        expected = [
            padding
            for padding in range(extent)
            if size + 2 * padding >= extent
            and (size + 2 * padding - extent) % stride == 0
        ]
        found = dims.fitting_paddings(size, kernel, stride, dilation)
        assert list(found) == expected, (size, kernel, stride, dilation)


def test_sizes_beyond_64_bits_stay_exact() -> None:
    huge = 10**30 + 1
    assert dims.count(huge, Window(1, 1)) == huge
    assert len(dims.fitting_paddings(huge, 3, 1)) == 3
