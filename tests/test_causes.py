"""What `verify` says of how a layer's value differs: each cause explains its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnnspec.verify.causes import applied, likely_cause
from cnnspec.verify.functions import FUNCTIONS
from cnnspec.verify.sizes import shape_cause

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(7)
MAPS = RNG.standard_normal((3, 4, 7, 6))
OTHER = RNG.standard_normal((3, 4, 7, 6))
VECTORS = RNG.standard_normal((5, 6))
SEQUENCES = RNG.standard_normal((3, 4, 5))  # (N, F, L)


def normed(x: Array, epsilon: float, scale: Array, bias: Array) -> Array:
    axes = (0, 2, 3)
    apart = x - x.mean(axes, keepdims=True)
    found: Array = apart / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    return found * scale[:, None, None] + bias[:, None, None]


def test_what_is_equal_has_no_cause() -> None:
    assert likely_cause("conv", MAPS, MAPS) == ""


def test_what_nothing_explains_has_no_cause() -> None:
    assert likely_cause("conv", MAPS, OTHER) == ""
    assert likely_cause("dense", VECTORS, VECTORS[::-1] * 1.3 + 0.1) == ""


def test_numbers_that_are_not_finite_are_told() -> None:
    found = MAPS.copy()
    found[0, 0, 0, 0] = np.inf
    assert likely_cause("conv", MAPS, found) == "it has values that are not finite"


@pytest.mark.parametrize("name", ["ReLU", "tanh", "the sigmoid", "the hard sigmoid"])
def test_an_activation_too_much_or_missing_is_named(name: str) -> None:
    made = FUNCTIONS[name](MAPS)
    assert likely_cause("conv", made, MAPS) == f"{name} is missing behind it"
    too_much = f"{name} is applied to it, which it should not be"
    assert likely_cause("conv", MAPS, made) == too_much


def test_functions_that_are_alike_are_told_apart() -> None:
    exact = FUNCTIONS["GELU in its exact form"](MAPS)
    tanh = FUNCTIONS["GELU in its tanh form"](MAPS)
    words = "it is GELU in its {} form of what it is given"
    assert likely_cause("gelu", exact, tanh, [MAPS]) == words.format("tanh")
    assert likely_cause("gelu", tanh, exact, [MAPS]) == words.format("exact")


def test_a_layer_that_is_left_out_passes_on_what_it_is_given() -> None:
    made = np.tanh(MAPS)
    assert likely_cause("tanh", made, MAPS, [MAPS]) == "it passes on what it is given"


def test_a_slope_shows_where_the_input_is_negative() -> None:
    ours, theirs = (np.where(MAPS > 0, MAPS, k * MAPS) for k in (0.1, 0.3))
    said = likely_cause("leaky_relu", ours, theirs, [MAPS])
    assert said == "it differs only where its input is negative: another slope"


@pytest.mark.parametrize(
    ("words", "merge"),
    [
        ("the product", np.multiply),
        ("the maximum", np.maximum),
        ("the difference", np.subtract),
    ],
)
def test_a_merge_is_told_by_what_it_makes(
    words: str, merge: Callable[[Array, Array], Array]
) -> None:
    said = likely_cause("add", MAPS + OTHER, merge(MAPS, OTHER), [MAPS, OTHER])
    assert said == f"it is {words} of what it is given"


def test_a_merge_that_reads_one_alone_is_told() -> None:
    said = likely_cause("add", MAPS + OTHER, OTHER, [MAPS, OTHER])
    assert said == "it is number 2 of what it is given, alone"


def test_the_maximum_of_a_channel_is_no_mean() -> None:
    mean, largest = MAPS.mean((2, 3)), MAPS.max((2, 3))
    said = likely_cause("global_avg_pool", mean, largest, [MAPS])
    assert said == "it is the maximum of each channel"


def test_orders_are_told_apart() -> None:
    channels = likely_cause("pixel_shuffle", MAPS, MAPS[:, [0, 2, 1, 3]])
    assert channels == "its channels are in another order"
    assert likely_cause("conv", MAPS, MAPS[..., ::-1]) == "it is mirrored"
    flat, last = MAPS.reshape(3, -1), np.moveaxis(MAPS, 1, -1).reshape(3, -1)
    said = likely_cause("flatten", flat, last, [MAPS])
    assert said == "it has the right numbers in another order: that of the axes"


def test_padding_on_the_other_side_shifts() -> None:
    padded = np.pad(MAPS, ((0, 0), (0, 0), (0, 0), (1, 1)))
    said = likely_cause("conv", padded[..., :-2], padded[..., 2:])
    assert said == ""  # by two pixels
    said = likely_cause("conv", padded[..., :-1], padded[..., 1:])
    assert said == "it is shifted by one pixel: the padding is on the other side"


def test_a_border_is_told_with_what_makes_it() -> None:
    found = MAPS.copy()
    found[..., 0] = 0
    said = likely_cause("max_pool", MAPS, found)
    assert said == ("only its border differs: the padding, or what it is filled with")


def test_a_bias_is_off_by_a_number_for_each_channel() -> None:
    found = MAPS - RNG.standard_normal(4)[:, None, None]
    said = likely_cause("conv", MAPS, found)
    assert said == (
        "each channel is off by a number of its own: the bias is missing or another"
    )


def test_factors_are_told() -> None:
    assert likely_cause("avg_pool", MAPS, MAPS * 0.75) == "it is 0.75 times as large"
    found = MAPS * np.array([1.0, 2, 3, 4])[:, None, None]
    said = likely_cause("depthwise_conv", MAPS, found)
    assert said == "each channel has a factor of its own"
    bias = np.array([1.0, -2, 3, 4])[:, None, None]
    said = likely_cause("conv", MAPS + bias, MAPS / 4 + bias)
    assert said == "but for its bias it is 0.25 times as large"


def test_another_epsilon_is_told_from_a_missing_scale() -> None:
    scale, bias = np.array([0.6, 0.9, 1.2, 1.4]), np.array([0.3, -0.1, 0.2, 0.5])
    expected = normed(MAPS, 1e-5, scale, bias)
    said = likely_cause("batch_norm", expected, normed(MAPS, 0.1, scale, bias), [MAPS])
    assert said == "its values are spread a bit otherwise: another epsilon"
    found = normed(MAPS, 1e-5, np.ones(4), bias)
    said = likely_cause("batch_norm", expected, found, [MAPS])
    assert said == (
        "it is scaled otherwise: its scale is missing, or it has other statistics"
    )


def test_a_mean_has_no_single_values_of_its_input() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(MAPS, (2, 2), (2, 3))
    mean, largest = windows.mean((-1, -2)), windows.max((-1, -2))
    said = likely_cause("avg_pool", mean, largest, [MAPS])
    assert said == "each value is a single one of its input, not made of several"
    said = likely_cause("max_pool", largest, mean, [MAPS])
    assert said == "its values are made of several of its input, not single ones"


def test_some_positions_of_a_sequence_are_named() -> None:
    found = SEQUENCES.copy()
    found[:, :, :3] = RNG.standard_normal((3, 4, 3))
    said = likely_cause("attention", SEQUENCES, found)
    assert said == "only positions 0 to 2 of 5 differ, from 0"


def test_a_small_difference_has_small_causes() -> None:
    said = likely_cause("softplus", MAPS, MAPS + 1e-3 * np.sin(40 * MAPS))
    assert said == "a small difference: another form of the function, or a constant"


def test_float32_rounding_does_not_hide_a_cause() -> None:
    expected = np.tanh(MAPS).astype(np.float32)
    said = likely_cause("tanh", expected, MAPS.astype(np.float32))
    assert said == "tanh is missing behind it"


def test_what_is_applied_to_a_right_value_is_found() -> None:
    assert applied(MAPS, np.maximum(MAPS, 0)) == "ReLU"
    assert applied(MAPS, np.square(MAPS)) == ""  # a step of many layers
    assert applied(MAPS, MAPS) == ""


def test_another_shape_has_the_causes_of_its_operation() -> None:
    window = "the window: kernel, stride, padding or dilation"
    assert shape_cause("conv", "maps", (4, 7, 6), (4, 6, 5)) == window
    said = shape_cause("conv", "maps", (4, 7, 6), (5, 7, 6))
    assert said == "the number of its filters"
    assert shape_cause("relu", "vector", (4,), (5,)) == ""
