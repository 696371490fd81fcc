"""Depthwise, separable and transposed convolution: sizes, costs, faults, and what `init` begins."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnspec.costs import total
from cnnspec.emit.build import model_text
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import EVERYWHERE, Layer, Misfit, Reach, Remark
from cnnspec.shapes import Shape, maps
from tests.parity.harness import arrays, assert_same_network, check_text, run_both

TRANSPOSES = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
UPSAMPLING = """
cnnspec: 1
name: net
input: {channels: 3, height: 6, width: 7}
layers:
  - conv_transpose:
      {filters: 3, kernel: KERNEL, stride: STRIDE, padding: PADDING, groups: GROUPS}
    init: bilinear
"""
# Of volumes Keras has no separable convolution: it is two layers there.
FROZEN = """
cnnspec: 1
name: net
input: {channels: 3, depth: 4, height: 5, width: 6}
layers:
  - separable_conv: {filters: 4, kernel: 3, padding: same, multiplier: 2}
    trainable: false
    repeat: 2
  - depthwise_conv: {kernel: 2, bias: false}
    trainable: false
  - separable_conv: {filters: 2, kernel: 2, bias: false}
  - conv_transpose: {filters: 4, kernel: [2, 3, 2], stride: 2, groups: 2, activation: relu}
    trainable: false
"""
SEGMENTING = """
cnnspec: 1
name: net
input: {channels: 2, height: 9, width: 8}
vars: {classes: 5}
blocks:
  decoder:
    args: {width: ~, stride: 2, by: 1}
    layers:
      - conv_transpose: {filters: $width, kernel: 3, stride: $stride, padding: same}
      - depthwise_conv: {kernel: 3, padding: 1, multiplier: $by}
      - conv: {filters: $(in_channels * 2), kernel: 1}
layers:
  - separable_conv: {filters: 6, kernel: 3, stride: 2, padding: same, activation: relu}
  - decoder: {width: 6, by: 3}
  - decoder: {width: 4, stride: 1}
    repeat: 2
  - conv_transpose: {filters: $classes, kernel: 2, stride: 2}
  - softmax
"""


def make(op: str, **given: Any) -> Layer:
    """A layer with these fields, as a spec gives them."""
    fields = OPERATIONS[op].fields
    return OPERATIONS[op]({name: fields[name].accept(v) for name, v in given.items()})


def out(layer: Layer, shape: Shape) -> Shape:
    (result,) = layer.infer((shape,))
    return result


def fault(layer: Layer, shape: Shape) -> Remark:
    with pytest.raises(Misfit) as caught:
        layer.infer((shape,))
    return caught.value.remark


def count(layer: Layer, shape: Shape) -> int:
    return sum(weight.count for weight in layer.weights((shape,)))


def macs(layer: Layer, shape: Shape) -> int:
    return layer.macs((shape,), layer.infer((shape,)))


def test_mobilenets_first_depthwise_layer_has_288_weights_and_3_6_million_macs() -> (
    None
):
    layer = make("depthwise_conv", kernel=3, padding=1, bias=False)
    shape = maps(32, 112, 112)
    assert out(layer, shape) == shape
    assert count(layer, shape) == 288
    assert macs(layer, shape) == 3_612_672


def test_a_multiplier_makes_that_many_maps_of_each_channel() -> None:
    layer, shape = make("depthwise_conv", kernel=3, multiplier=4), maps(3, 9, 9)
    assert out(layer, shape) == maps(12, 7, 7)
    assert count(layer, shape) == 12 * 9 + 12


def test_a_depthwise_convolution_is_one_with_a_group_for_each_channel() -> None:
    shape = maps(6, 9, 8)
    same = {"kernel": [3, 2], "stride": 2, "padding": 1}
    depthwise = make("depthwise_conv", multiplier=2, **same)
    grouped = make("conv", filters=12, groups=6, **same)
    assert out(depthwise, shape) == out(grouped, shape)
    assert depthwise.weights((shape,)) == grouped.weights((shape,))
    assert macs(depthwise, shape) == macs(grouped, shape)


def test_a_separable_convolution_costs_an_eighth_to_a_ninth_of_a_full_one() -> None:
    # MobileNets, section 3.1: 1/N + 1/F^2 of the multiply-adds, here 1/512 + 1/9.
    shape = maps(512, 14, 14)
    same = {"filters": 512, "kernel": 3, "padding": 1, "bias": False}
    separable, full = make("separable_conv", **same), make("conv", **same)
    assert macs(separable, shape) * 4608 == macs(full, shape) * (9 + 512)
    assert count(separable, shape) == 512 * 9 + 512 * 512


def test_a_separable_convolution_has_one_bias() -> None:
    layer, shape = make("separable_conv", filters=5, kernel=3), maps(4, 8)
    assert [(w.name, w.shape) for w in layer.weights((shape,))] == [
        ("depthwise.weight", (4, 1, 3)),
        ("pointwise.weight", (5, 4, 1)),
        ("pointwise.bias", (5,)),
    ]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_sizes_and_tensors_are_pytorchs(rank: int) -> None:
    ranges = ((1, 2, 4), (1, 2, 3), (0, 1, 2), (0, 1), (1, 2), (1, 2))
    shape = maps(4, *(3, 5, 4)[:rank])
    compared = 0
    for kernel, stride, padding, more, dilation, groups in itertools.product(*ranges):
        given: dict[str, Any] = {
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "output_padding": more,
            "dilation": dilation,
            "groups": groups,
        }
        layer = make("conv_transpose", filters=6, **given)
        module = TRANSPOSES[rank - 1](
            4,
            6,
            **{"kernel_size" if n == "kernel" else n: v for n, v in given.items()},
            device="meta",
        )
        sizes = [
            (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + more + 1
            for n in shape.spatial
        ]
        if more >= stride or min(sizes) < 1:
            assert fault(layer, shape).code == ("CS322" if more >= stride else "CS321")
            continue
        y = module(torch.empty(1, *shape.sizes, device="meta"))
        assert out(layer, shape) == maps(*y.shape[1:]) == maps(6, *sizes)
        tensors = [(name, tuple(p.shape)) for name, p in module.named_parameters()]
        assert [(w.name, w.shape) for w in layer.weights((shape,))] == tensors
        compared += 1
    assert compared > 60


def test_output_padding_gives_back_the_size_that_a_convolution_had() -> None:
    for size, kernel, stride, padding, dilation in itertools.product(
        range(5, 12), (1, 2, 3, 4), (1, 2, 3), (0, 1), (1, 2)
    ):
        same = {"kernel": kernel, "stride": stride, "dilation": dilation}
        conv = make("conv", filters=2, padding=padding, **same)
        try:
            reduced = out(conv, maps(1, size))
        except Misfit:
            continue
        more = (size - ((kernel - 1) * dilation + 1) + 2 * padding) % stride
        back = make(
            "conv_transpose", filters=1, padding=padding, output_padding=more, **same
        )
        assert out(back, reduced) == maps(1, size)


def test_same_multiplies_the_size_by_the_stride_and_crops_the_odd_pixel_after() -> None:
    for kernel, stride in itertools.product((1, 2, 3, 5), (1, 2, 3)):
        layer = make(
            "conv_transpose", filters=1, kernel=kernel, stride=stride, padding="same"
        )
        assert out(layer, maps(1, 4, 7)) == maps(1, 4 * stride, 7 * stride)
    sided = make("conv_transpose", filters=1, kernel=3, stride=2, padding=[0, 1, 0, 1])
    same = make("conv_transpose", filters=1, kernel=3, stride=2, padding="same")
    shape = maps(1, 4, 7)
    assert sided.stretches(shape) == same.stretches(shape)  # type: ignore[attr-defined]


def test_a_transposed_convolution_multiplies_at_each_pixel_of_its_input() -> None:
    layer = make("conv_transpose", filters=6, kernel=4, stride=2, padding=1, groups=2)
    shape = maps(4, 5, 7)
    assert macs(layer, shape) == (4 * 3 * 16) * (5 * 7)


def test_a_padding_that_crops_everything_is_told_what_would_leave_something() -> None:
    layer = make("conv_transpose", filters=1, kernel=3, padding=[3, 0])
    found = fault(layer, maps(1, 2, 9))
    assert (found.code, found.field, found.port) == ("CS321", "padding", 0)
    assert found.label == "crops 6x0 of 4x11"
    assert [r.text for r in found.remedies] == ["padding 1", "padding same"]
    for remedy in found.remedies:
        out(
            make("conv_transpose", filters=1, kernel=3, **remedy.changes), maps(1, 2, 9)
        )


def test_an_output_padding_of_a_stride_is_told_the_nearest_that_fit() -> None:
    layer = make(
        "conv_transpose", filters=1, kernel=3, stride=[2, 3], output_padding=[1, 4]
    )
    found = fault(layer, maps(1, 4, 4))
    assert (found.code, found.field) == ("CS322", "output_padding")
    assert found.label == "adds 1x4, the stride is 2x3"
    assert [r.text for r in found.remedies] == [
        "output_padding [1, 2]",
        "stride [2, 5]",
    ]


def test_lists_and_groups_of_a_transposed_convolution_are_checked() -> None:
    for field, value in (("output_padding", [0, 0]), ("padding", [1, 1, 1])):
        layer = make("conv_transpose", filters=1, kernel=3, **{field: value})
        found = fault(layer, maps(1, 9))
        assert (found.code, found.field) == ("CS303", field)
    grouped = make("conv_transpose", filters=4, kernel=3, groups=4)
    assert fault(grouped, maps(6, 9)).code == "CS305"


def test_windows_by_channel_are_checked_as_those_of_a_convolution() -> None:
    for op, more in (("depthwise_conv", {}), ("separable_conv", {"filters": 2})):
        large = make(op, kernel=7, **more)
        assert fault(large, maps(3, 4, 4)).code == "CS301"
        unread = make(op, kernel=2, stride=2, **more)
        assert [r.code for r in unread.remarks((maps(3, 5, 5),))] == ["CS401"]
        exact = make(op, kernel=2, stride=2, rounding="exact", **more)
        assert fault(exact, maps(3, 5, 5)).code == "CS304"


def test_only_a_transposed_convolution_of_stride_1_has_a_local_field() -> None:
    shape = (maps(1, 9, 9),)
    plain = make("conv_transpose", filters=1, kernel=[3, 2], dilation=[2, 1])
    assert plain.reach(shape) == Reach((5, 2), (1, 1))
    assert (
        make("conv_transpose", filters=1, kernel=2, stride=2).reach(shape) is EVERYWHERE
    )


def test_transposed_and_separable_convolutions_count_as_one_layer_of_depth() -> None:
    totals = total(check_text(FROZEN).graph)  # type: ignore[arg-type]
    assert totals is not None
    assert totals.depth == 5


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(("stride", "kernel"), [(2, 4), (3, 5), (4, 8)])
def test_a_bilinear_kernel_of_twice_the_stride_interpolates(
    stride: int, kernel: int, groups: int
) -> None:
    padding = (kernel - stride) // 2
    text = UPSAMPLING.replace("KERNEL", str(kernel)).replace("STRIDE", str(stride))
    text = text.replace("PADDING", str(padding)).replace("GROUPS", str(groups))
    module: dict[str, Any] = {}
    exec(model_text(check_text(text), "pytorch", None), module)
    x = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = module["Net"]()(x)
    wanted = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    assert found.shape == wanted.shape
    inside = (..., slice(stride, -stride), slice(stride, -stride))
    assert torch.allclose(found[inside], wanted[inside], atol=1e-6)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    specs = {"frozen": check_text(FROZEN), "segmenting": check_text(SEGMENTING)}
    for groups in (1, 3):
        text = UPSAMPLING.replace("KERNEL", "4").replace("STRIDE", "2")
        text = text.replace("PADDING", "1").replace("GROUPS", str(groups))
        specs[f"upsampling {groups}"] = check_text(text)
    folder: Path = tmp_path_factory.mktemp("convolutions")
    return run_both(specs, folder)


@pytest.mark.parametrize(
    "name", ["frozen", "segmenting", "upsampling 1", "upsampling 3"]
)
def test_both_models_of_a_network_agree(name: str, outcomes: Any) -> None:
    assert_same_network(outcomes[name])
    ours, _ = arrays(outcomes[name], "outputs")
    assert np.ptp(ours["output"]) > 0
