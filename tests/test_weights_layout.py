"""Weights of a graph: PyTorch's names and order, Keras', and the way between, without either."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnspec.compile import check_file
from cnnspec.graph import Graph
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Weight
from cnnspec.layers.variables import Rows, channels_last, kernel, variable
from cnnspec.weights.contents import FLOATS, dtype_of
from cnnspec.weights.layout import (
    MixedKinds,
    holders,
    state_shapes,
    to_keras,
    to_pytorch,
    variable_shapes,
)
from tests.parity.drawing import Count, draw
from tests.parity.harness import check_text

SPECS = Path(__file__).parents[1] / "specs"
PAGE = (SPECS.parent / "docs" / "weights.md").read_text(encoding="utf-8")
SMALL = (
    *("autoencoder", "edge_filters", "lenet5", "lenet5_modern", "linear_classifier"),
    *("resnet18", "resnet20", "signal_classifier", "googlenet", "x_or_o"),
)
HEADER = "cnnspec: 1\nname: net\n"
EACH = (
    HEADER
    + """
input: {channels: 3, height: 8, width: 6}
blocks:
  unit:
    args: {filters: ~}
    layers:
      - conv: {filters: $filters, kernel: [3, 2], padding: same}
      - batch_norm
  parts:
    args: {stride: ~}
    layers:
      - separable_conv: {filters: 4, kernel: 3, stride: $stride, padding: 1}
layers:
  - unit: {filters: 3}
    repeat: 2
  - unit: {filters: 3}
    name: once
  - reuse: once
  - separable_conv: {filters: 4, kernel: 3, multiplier: 2, bias: false}
    name: alone
  - parts: {stride: 1}
    name: even
  - parts: {stride: [1, 2]}
    name: odd
  - layer_norm
  - reshape: {channels: 4, length: -1}
  - permute: {axes: [1, 0]}
  - gru: {units: 2, sequence: true, bidirectional: true}
  - attention: {heads: 2}
  - flatten
  - dense: {units: 2, bias: false}
"""
)


def state_of(graph: Graph, kind: str = "F32") -> dict[str, Any]:
    """Every number of a state dict is another; float16 has too few, so bits count there."""
    state, count = {}, 0
    for name, shape in state_shapes(graph).items():
        size = int(np.prod(shape))
        bits = np.arange(count, count + size, dtype=f"<u{dtype_of(kind).itemsize}")
        state[name] = bits.view(dtype_of(kind)).reshape(shape)
        count += size
    return state


def assert_there_and_back(graph: Graph, kind: str = "F32") -> None:
    state = state_of(graph, kind)
    variables = to_keras(graph, state)
    assert {n: a.shape for n, a in variables.items()} == variable_shapes(graph)
    back = to_pytorch(graph, variables)
    counters = back.keys() - state.keys()
    assert all(name.endswith(".num_batches_tracked") for name in counters)
    assert all(back[n].dtype == np.int64 and back[n] == 0 for n in counters)
    for name, value in state.items():
        assert back[name].dtype == value.dtype and back[name].shape == value.shape
        assert back[name].tobytes() == value.tobytes(), name
    if kind == "F32":  # no number is lost, none stands twice
        every = [a.ravel().view("<u4") for a in variables.values()]
        found = np.sort(np.concatenate(every)) if every else np.empty(0)
        assert (found == np.arange(len(found))).all()


@pytest.mark.parametrize("op", OPERATIONS)
def test_weights_of_an_operation_come_back_bit_by_bit(op: str) -> None:
    source, count = random.Random(f"weights {op}"), Count()
    for in_block in (False, True) * 4:
        graph = draw(op, source, in_block, count).checked.graph
        assert graph is not None
        assert_there_and_back(graph)


@pytest.mark.parametrize("name", SMALL)
def test_weights_of_a_shipped_spec_come_back_bit_by_bit(name: str) -> None:
    graph = check_file(str(SPECS / f"{name}.yaml"), {}).graph
    assert graph is not None
    assert_there_and_back(graph)


@pytest.mark.parametrize("kind", FLOATS)
def test_numbers_of_every_kind_come_back_bit_by_bit(kind: str) -> None:
    assert_there_and_back(graph_of(EACH), kind)


def graph_of(text: str) -> Graph:
    graph = check_text(text).graph
    assert graph is not None
    return graph


def test_a_layer_that_is_applied_again_has_its_weights_once() -> None:
    graph = graph_of(EACH)
    owned = [name for name in state_shapes(graph) if name.startswith("once.")]
    assert owned == [
        *("once.conv.weight", "once.conv.bias"),
        *("once.batch_norm.weight", "once.batch_norm.bias"),
        *("once.batch_norm.running_mean", "once.batch_norm.running_var"),
    ]
    reused = [node.path for node in graph.layers if node.reuses]
    assert reused == ["reuse.conv", "reuse.batch_norm"]
    assert not [name for name in variable_shapes(graph) if name.startswith("reuse")]


def test_numbers_lie_where_keras_looks_for_them() -> None:
    graph = graph_of(EACH)
    state = state_of(graph)
    ours, theirs = state.__getitem__, to_keras(graph, state).__getitem__

    def same(found: Any, expected: Any) -> bool:
        return bool(np.ascontiguousarray(found).tobytes() == expected.tobytes())

    conv = theirs("unit.1.conv/kernel")
    assert same(conv[2, 1, 0, 2], ours("unit.1.conv.weight")[2, 0, 2, 1])
    # Filter c M + m is the m-th of channel c; where Keras has no such layer, a group's.
    depthwise = ours("alone.depthwise.weight")
    assert same(theirs("alone/depthwise_kernel")[1, 2, 2, 1], depthwise[5, 0, 1, 2])
    depthwise = ours("odd.separable_conv.depthwise.weight")
    kernel = theirs("odd.separable_conv.depthwise/kernel")
    assert same(kernel[1, 2, 0, 3], depthwise[3, 0, 1, 2])
    assert same(theirs("layer_norm/beta")[5, 1, 3], ours("layer_norm.bias")[3, 5, 1])
    # Keras has the update gate before the reset gate, and both biases in one.
    back = theirs("gru/backward_gru/gru_cell/recurrent_kernel")
    assert same(back[1, :2], ours("gru.weight_hh_l0_reverse")[2:4, 1])
    assert same(back[1, 2:4], ours("gru.weight_hh_l0_reverse")[:2, 1])
    assert same(back[1, 4:], ours("gru.weight_hh_l0_reverse")[4:, 1])
    bias = theirs("gru/forward_gru/gru_cell/bias")
    assert same(bias[0, 2:4], ours("gru.bias_ih_l0")[:2])
    assert same(bias[1, 4:], ours("gru.bias_hh_l0")[4:])
    # Heads are cut from the rows, one below the other.
    packed, mixing = ours("attention.in_proj_weight"), ours("attention.out_proj.weight")
    assert same(theirs("attention/query/kernel")[3, 1, 0], packed[2, 3])
    assert same(theirs("attention/value/kernel")[3, 1, 0], packed[8 + 2, 3])
    assert same(theirs("attention/key/bias")[1], ours("attention.in_proj_bias")[6:8])
    assert same(theirs("attention/attention_output/kernel")[1, 0, 3], mixing[3, 2])


def test_parts_of_one_tensor_in_other_kinds_of_numbers_are_refused() -> None:
    graph = graph_of(EACH)
    variables = to_keras(graph, state_of(graph))
    half = variables["attention/key/bias"].astype("f2")
    with pytest.raises(MixedKinds, match=r"`attention.in_proj_bias` would hold"):
        to_pytorch(graph, variables | {"attention/key/bias": half})
    state = state_of(graph)
    state["gru.bias_hh_l0"] = state["gru.bias_hh_l0"].astype("f8")
    with pytest.raises(MixedKinds, match=r"`gru/forward_gru/gru_cell/bias` would hold"):
        to_keras(graph, state)


def test_a_variable_of_a_plugin_may_be_of_any_shape() -> None:
    single, table = Weight("single", ()), Weight("table", (6, 4))
    assert variable("single", single).keras_shape == ()
    assert kernel("kernel", table).keras_shape == (4, 6)
    assert channels_last("maps", Weight("maps", (3, 5, 7))).keras_shape == (5, 7, 3)
    parts = Rows(table, 4, 6), Rows(table, 0, 2)
    found = variable("parts", *parts, shape=(2, -1, 4), axes=(2, 0, 1))
    assert found.shape == (2, 2, 4) and found.keras_shape == (4, 2, 2)


@pytest.mark.parametrize("op", OPERATIONS)
def test_the_page_says_where_each_tensor_lies(op: str) -> None:
    source, count = random.Random(f"page {op}"), Count()
    for _ in range(12):
        graph = draw(op, source, False, count).checked.graph
        assert graph is not None
        held = [h for h in holders(graph) if h.node.layer and h.node.layer.op == op]
        for holder in held:
            rows = [row for row in PAGE.splitlines() if f"`{op}`" in row]
            if any(v.path == "bias" for v in holder.variables):
                rows += [row for row in PAGE.splitlines() if "is a `bias`" in row]
            told = "\n".join(rows)
            for weight in holder.weights:
                assert f"`{weight.name.removesuffix('_reverse')}`" in told
            for part in [v.path for v in holder.variables]:
                if f"_{op}/" in part:
                    assert f"`{part.partition('/')[0]}/`" in PAGE
                    part = part.partition("/")[2]
                part = f"PATH{part}" if part.startswith(".") else part
                assert f"`{part}`" in told
