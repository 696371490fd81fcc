"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from cnnspec.suggest import did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("widht", "width"),
        ("channel", "channels"),
        ("BatchNorm2d", "batch_norm"),
        ("convolution", "conv"),
        ("conv2d", "conv"),
        ("maxpool", "max_pool"),
        ("Stride", "stride"),
        ("kern", "kernel"),
        ("zebra", None),
        ("", None),
        ("q", None),
        ("w" * 10_000, None),
    ],
)
def test_the_name_that_was_meant_is_suggested(word: str, meant: str | None) -> None:
    known = ["width", "channels", "batch_norm", "conv", "max_pool", "stride", "kernel"]
    assert did_you_mean(word, known) == meant


def test_equally_close_names_are_taken_alphabetically() -> None:
    assert did_you_mean("conv3", {"conv2", "conv1"}) == "conv1"
