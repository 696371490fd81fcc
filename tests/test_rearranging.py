"""Resizing, borders and rearranging: what they refuse, with what remedy, and what is written."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.program import program_files
from cnnspec.emit.readme import VERSIONS
from cnnspec.layers.layer import EVERYWHERE, Reach
from cnnspec.shapes import SEQUENCE, Shape, maps, vector
from tests.checking import check, fine, shapes
from tests.parity.harness import check_text
from tests.test_layer_faults import fault, make, out, texts

IMAGE = "cnnspec: 1\nname: net\ninput: {channels: 4, height: 8, width: 8}\n"


def written(layers: str, target: str, head: str = IMAGE) -> str:
    """The text of a target's model."""
    return model_text(check_text(f"{head}{layers}"), target, None)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({}, "has none"),
        ({"scale": 2, "size": 4}, "has `scale` and `size`"),
        (
            {"scale": 2, "size": 4, "like": "stem"},
            "has `scale` and `size` and `like`",
        ),
    ],
)
def test_upsample_is_told_its_extent_in_one_way(
    given: dict[str, Any], label: str
) -> None:
    found = fault(make("upsample", **given), maps(3, 4, 4))
    assert (found.code, found.label) == ("CS340", label)
    assert found.message == "`upsample` takes one of `scale`, `size` and `like`"


def test_upsample_says_the_extent_by_scale_size_or_another_layer() -> None:
    image, wide = maps(3, 4, 5), maps(8, 9, 12)
    assert out(make("upsample", scale=2), image) == maps(3, 8, 10)
    assert out(make("upsample", scale=[1, 3]), image) == maps(3, 4, 15)
    assert out(make("upsample", size=[7, 6]), image) == maps(3, 7, 6)
    assert out(make("upsample", like="stem"), image, wide) == maps(3, 9, 12)


def test_like_needs_maps_with_as_many_axes() -> None:
    for op in ("upsample", "crop"):
        layer = make(op, like="stem")
        found = fault(layer, maps(3, 4, 5), maps(8, 4))
        assert (found.code, found.port) == ("CS302", 1)
        assert found.label == "names a signal of 8x4"
        assert fault(layer, maps(3, 4, 5), vector(8)).code == "CS302"


def test_upsampling_to_a_smaller_extent_is_remarked() -> None:
    (found,) = check("- upsample: {size: [16, 2]}\n")["diagnostics"]
    assert (found["code"], found["severity"]) == ("CS440", "warning")
    assert found["help"].startswith("a factor is a `scale`")
    fine("- upsample: {size: [16, 8]}\n")


def test_reflection_of_more_pixels_than_there_are_beside_the_border_is_refused() -> (
    None
):
    found = fault(make("pad", padding=[1, 4], mode="reflect"), maps(3, 8, 4))
    assert (found.code, found.label) == ("CS341", "pads 4 on width 4")
    assert texts(found) == ["padding 3", "mode replicate"]
    assert out(make("pad", padding=3, mode="reflect"), maps(1, 4)) == maps(1, 10)
    assert out(make("pad", padding=9, mode="replicate"), maps(1, 4)) == maps(1, 22)


def test_only_a_constant_pads_with_a_value() -> None:
    found = fault(make("pad", padding=1, mode="reflect", value=2), maps(3, 8, 8))
    assert (found.code, found.field) == ("CS340", "value")
    (shown,) = check("- pad: {padding: 1, mode: reflect, value: 2}\n")["diagnostics"]
    assert shown["help"] == "mode constant fits"


def test_padding_on_sides_stands_before_and_after_by_axis() -> None:
    layer = make("pad", padding=[1, 2, 0, 4])
    assert out(layer, maps(3, 8, 8)) == maps(3, 11, 12)
    found = fault(make("pad", padding=[1, 2, 3]), maps(3, 8, 8))
    assert found.code == "CS303"
    assert found.label.endswith("2 (height, width) or 4 (top, bottom, left, right)")


def test_a_crop_leaves_a_pixel_on_each_axis() -> None:
    found = fault(make("crop", cropping=[2, 3]), maps(3, 8, 6))
    assert (found.code, found.message) == ("CS342", "`crop` leaves nothing of width 6")
    assert texts(found) == ["cropping 2"]
    assert out(make("crop", cropping=[3, 4, 0, 1]), maps(3, 8, 6)) == maps(3, 1, 5)


def test_a_crop_to_another_layer_makes_nothing_larger() -> None:
    layer = make("crop", like="up")
    assert out(layer, maps(3, 9, 8), maps(5, 4, 8)) == maps(3, 4, 8)
    found = fault(layer, maps(3, 9, 8), maps(5, 4, 9))
    assert (found.code, found.field) == ("CS342", "like")


def test_pixel_shuffle_needs_channels_for_its_pixels() -> None:
    found = fault(make("pixel_shuffle", factor=3), maps(12, 4, 4))
    assert (found.code, found.label) == ("CS345", "12 channels, 9 for each")
    assert texts(found) == ["factor 2", "factor 1"]
    back = make("pixel_shuffle", factor=3, inverse=True)
    assert texts(fault(back, maps(1, 8, 4))) == ["factor 2", "factor 4"]
    assert out(back, maps(1, 9, 6)) == maps(9, 3, 2)
    assert fault(back, maps(1, 9)).code == "CS302"


def test_remedies_for_huge_numbers_are_found_at_once() -> None:
    huge = 10**18
    layer = make("pixel_shuffle", factor=10**9 - 1)
    assert texts(fault(layer, maps(huge, 4, 4))) == ["factor 1000000000"]
    back = make("pixel_shuffle", factor=huge - 1, inverse=True)
    assert texts(fault(back, maps(1, huge, huge))) == [f"factor {huge}"]
    layer = make("reshape", channels=huge - 1, length=-1)
    assert texts(fault(layer, maps(huge, huge))) == [f"channels {huge}"]


def test_channels_of_a_shuffle_are_divided_by_its_groups() -> None:
    found = fault(make("channel_shuffle", groups=5), maps(8, 4, 4))
    assert (found.code, texts(found)[:2]) == ("CS305", ["groups 4", "groups 2"])


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({"features": -1}, vector(48)),
        ({"channels": 3, "length": -1}, maps(3, 16)),
        ({"channels": -1, "height": 4, "width": 6}, maps(2, 4, 6)),
        ({"channels": 2, "depth": 2, "height": 3, "width": 4}, maps(2, 2, 3, 4)),
        ({"length": -1, "features": 12}, Shape(SEQUENCE, (4, 12))),
    ],
)
def test_the_names_of_the_sizes_decide_what_reshape_makes(
    sizes: dict[str, int], shape: Shape
) -> None:
    assert out(make("reshape", **sizes), maps(3, 4, 4)) == shape


def test_a_reshape_that_does_not_hold_its_numbers_says_how_many_there_are() -> None:
    found = fault(make("reshape", channels=3, length=64), maps(4, 8, 8))
    assert found.message == "256 numbers do not fill 3x64"
    assert found.label == "gets an image of 4x8x8, the sizes hold 192"
    assert texts(found) == ["channels 4"]
    (shown,) = check("- reshape: {channels: 7, length: -1}\n")["diagnostics"]
    assert shown["message"] == "256 numbers can't be divided by 7"
    assert shown["help"] == "channels 8 or channels 4 fit"


def test_a_reshape_has_the_sizes_of_one_kind_and_one_to_compute() -> None:
    found = fault(make("reshape", channels=4, width=64), maps(4, 8, 8))
    assert (found.code, found.label) == ("CS343", "has `channels`, `width`")
    assert found.help and "{channels, length}" in found.help
    assert fault(make("reshape"), maps(4, 8, 8)).label == "has none"
    twice = fault(make("reshape", channels=-1, length=-1), maps(4, 8, 8))
    assert (twice.field, twice.label) == ("length", "-1 for `channels` and `length`")


def test_permute_names_each_axis_once() -> None:
    for axes in ([1, 0], [0, 1, 1], [1, 2, 3]):
        assert fault(make("permute", axes=axes), maps(4, 8, 8)).code == "CS344"
    assert out(make("permute", axes=[2, 0, 1]), maps(4, 8, 9)) == maps(9, 4, 8)
    assert out(make("permute", axes=[0]), vector(4)) == vector(4)


def test_a_signal_with_its_axes_swapped_is_a_sequence_and_the_reverse() -> None:
    swap, keep = make("permute", axes=[1, 0]), make("permute", axes=[0, 1])
    signal, sequence = maps(4, 9), Shape(SEQUENCE, (9, 4))
    assert out(swap, signal) == sequence
    assert out(swap, sequence) == signal
    assert (out(keep, signal), out(keep, sequence)) == (signal, sequence)


def test_global_pools_of_a_sequence_leave_its_features() -> None:
    for op in ("global_avg_pool", "global_max_pool"):
        assert out(make(op), Shape(SEQUENCE, (5, 6))) == vector(6)
        kept = out(make(op, keep=True), Shape(SEQUENCE, (5, 6)))
        assert kept == Shape(SEQUENCE, (1, 6))


def test_an_adaptive_pool_reaches_as_far_as_its_windows_where_they_are_equal() -> None:
    layer = make("adaptive_avg_pool", size=2)
    assert layer.reach((maps(3, 8, 6),)) == Reach((4, 3), (4, 3))
    assert layer.reach((maps(3, 8, 5),)) is EVERYWHERE


PREDICT = """
import os
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)  # the fault is one of oneDNN, too
import numpy as np
{sources}
for make in {names}:
    model = make()
    x = np.zeros((2, *model.input_shape[1:]), "float32")
    print(model.predict(x, verbose=0).shape == tuple(model.compute_output_shape(x.shape)))
"""


@pytest.mark.parametrize("op", ["adaptive_avg_pool", "adaptive_max_pool"])
def test_an_adaptive_pool_whose_window_spans_an_axis_runs_in_keras(op: str) -> None:
    given = [
        ("channels: 2, length: 7", "1"),
        ("channels: 2, height: 8, width: 7", "1"),
        ("channels: 2, height: 8, width: 7", "[1, 3]"),
        ("channels: 2, height: 8, width: 7", "[3, 1]"),
        ("channels: 2, height: 1, width: 7", "2"),
        ("channels: 2, depth: 3, height: 4, width: 5", "1"),
        ("channels: 2, depth: 3, height: 4, width: 5", "[2, 1, 3]"),
    ]
    sources = [
        written(
            f"layers:\n  - {op}: {{size: {size}}}\n",
            "keras",
            f"cnnspec: 1\nname: net{number}\ninput: {{{shape}}}\n",
        )
        for number, (shape, size) in enumerate(given)
    ]
    names = ", ".join(f"net{number}" for number in range(len(given)))
    text = PREDICT.format(sources="\n".join(sources), names=f"[{names}]")
    run = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split() == ["True"] * len(given)


def test_a_program_requires_the_keras_that_has_its_layers() -> None:
    required = {}
    for layer in ("adaptive_avg_pool: {size: 2}", "avg_pool: {kernel: 2}"):
        checked = check_text(f"{IMAGE}layers:\n  - {layer}\n")
        for target in TARGETS:
            files = program_files(checked, target, {})
            required[layer[:3], target] = files["requirements.txt"].split()
    assert "keras>=3.13" in required["ada", "keras"]
    assert f"keras>={VERSIONS['keras']}" in required["avg", "keras"]
    assert required["ada", "pytorch"] == required["avg", "pytorch"]


def test_a_difference_has_two_sides() -> None:
    text = """
        - relu:
          name: left
        - tanh:
          name: right
        - subtract: {with: [left, right]}
        """
    (found,) = check(text)["diagnostics"]
    assert found["code"] == "CS346"
    assert found["message"] == "`subtract` takes the flow and 1 named layer"
    text = text.replace("[left, right]", "[left]").replace("name: right", "from: input")
    assert fine(text)["layers"][-1]["inputs"] == [[4, 8, 8], [4, 8, 8]]


def test_maps_become_positions_without_a_copy_in_keras() -> None:
    layers = (
        "layers:\n  - reshape: {channels: 4, length: -1}\n  - permute: {axes: [1, 0]}\n"
    )
    assert shapes(layers)["permute"] == [64, 4]
    assert "x = x.flatten(2)" in written(layers, "pytorch")
    assert "Permute" not in written(layers, "keras")


BLOCK = """
blocks:
  grow:
    args: {width: ~}
    layers:
      - conv: {filters: $(width * 4), kernel: 1}
      - pixel_shuffle: {factor: 2}
      - conv: {filters: 3, kernel: 1}
layers:
  - grow: {width: 8}
  - grow: {width: 6}
"""


def test_channels_behind_a_pixel_shuffle_are_an_expression() -> None:
    assert "nn.Conv2d(width, 3, 1)" in written(BLOCK, "pytorch")


UP = """
blocks:
  up:
    layers:
      - max_pool: {kernel: 2}
        name: smaller
      - upsample: {like: input, method: bilinear}
      - crop: {like: smaller}
layers:
  - up
  - up
"""
VOLUME = "cnnspec: 1\nname: net\ninput: {channels: 2, depth: 8, height: 4, width: 4}\n"


@pytest.mark.parametrize("target", TARGETS)
def test_an_extent_taken_from_a_layer_is_read_where_the_model_runs(target: str) -> None:
    """So a block serves maps of any extent without an argument for it."""
    for head in (IMAGE, VOLUME):
        text = written(UP, target, head)
        axes = "2:" if target == "pytorch" else "1:-1"
        assert f"smaller.shape[{axes}]" in text
        assert "_size" not in text


METHOD = """
blocks:
  up:
    args: {method: ~}
    layers:
      - upsample: {scale: 2, method: $method}
layers:
  - up: {method: nearest}
"""


def test_a_method_by_argument_is_left_out_where_the_layer_knows_one_alone() -> None:
    """UpSampling3D has no `interpolation`."""
    assert "UpSampling3D(2, name=" in written(METHOD, "keras", VOLUME)
    both = METHOD + "  - up: {method: bilinear}\n"
    assert "UpSampling2D(2, interpolation=method, name=" in written(both, "keras")


GRADIENTS = {
    "pytorch": """
import torch
x = torch.zeros(1, 1, 4, requires_grad=True)
with torch.no_grad():
    x[0, 0, 0] = -3
Net()(x).sum().backward()
print(x.grad.flatten().tolist())
""",
    "keras": """
import tensorflow as tf
x = tf.Variable([[[-3.0], [0.0], [0.0], [0.0]]])
with tf.GradientTape() as tape:
    total = tf.reduce_sum(net()(x))
print(tape.gradient(total, x).numpy().flatten().tolist())
""",
}


@pytest.mark.parametrize("target", TARGETS)
def test_the_norm_of_zeros_has_the_gradient_zero(target: str) -> None:
    head = "cnnspec: 1\nname: net\ninput: {channels: 1, length: 4}\n"
    source = ""
    for order in (1, 2, 3):
        layers = f"layers:\n  - lp_pool: {{kernel: 2, order: {order}}}\n"
        source += written(layers, target, head) + GRADIENTS[target]
    run = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert found == [pytest.approx([-1, 0, 0, 0], abs=1e-6)] * 3
