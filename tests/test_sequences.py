"""Networks on sequences and tokens: their sizes, what they compute, how they begin."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from cnnspec.costs import total
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.layers.layer import Misfit
from cnnspec.names import camel
from cnnspec.shapes import SEQUENCE, TOKENS, Shape, vector
from tests.parity.harness import assert_same_network, check_text, run_both
from tests.test_layer_faults import fault, make, out, texts

FIRST_VALUES = Path(__file__).parent / "parity" / "first_values.py"
HEAD = "cnnspec: 1\nname: net\n"
SPECS = {
    # Vinyals et al., "Show and tell", 2015, in small: an image conditions a decoder of words.
    "captions": """
vars: {vocabulary: 20, width: 6}
inputs:
  photo: {channels: 3, height: 8, width: 8}
  words: {length: 5, vocabulary: $vocabulary}
layers:
  - conv: {filters: 4, kernel: 3, padding: 1, activation: relu}
    from: photo
  - max_pool: {kernel: 2}
  - flatten
  - dense: {units: $width, activation: tanh}
    name: seen
  - embedding: {features: 7}
    from: words
  - lstm: {units: $width, sequence: true, initial_state: seen}
  - dense: {units: $vocabulary}
""",
    # Dosovitskiy et al., "An image is worth 16x16 words", 2021, in small.
    "vision_transformer": """
input: {channels: 3, height: 12, width: 8}
blocks:
  encoder:
    args: {heads: ~, share: 2}
    layers:
      - residual:
          body:
            - layer_norm
            - attention: {heads: $heads}
      - residual:
          body:
            - layer_norm
            - dense: {units: $(in_channels * share), activation: relu}
            - dense: {units: $in_channels}
layers:
  - conv: {filters: 8, kernel: 4, stride: 4}
  - reshape: {channels: 8, length: -1}
  - permute: {axes: [1, 0]}
  - encoder: {heads: 4}
    repeat: 2
  - encoder: {heads: 2, share: 1}
  - permute: {axes: [1, 0]}
  - global_avg_pool
  - dense: {units: 3}
""",
    # Xu et al., "Show, attend and tell", 2015: words look at places of the image.
    "attend_to_an_image": """
inputs:
  photo: {channels: 3, height: 8, width: 8}
  words: {length: 5, vocabulary: 20}
layers:
  - conv: {filters: 6, kernel: 3, stride: 2, padding: 1}
    from: photo
  - reshape: {channels: 6, length: -1}
  - permute: {axes: [1, 0]}
    name: places
  - embedding: {features: 8}
    from: words
  - residual:
      body:
        - attention: {heads: 2, causal: true}
  - residual:
      body:
        - attention: {heads: 4, memory: places}
  - dense: {units: 20}
""",
    "both_directions": """
inputs:
  facts: {features: 4}
  steps: {length: 6, features: 5}
layers:
  - dense: {units: 8}
    from: facts
  - split: {into: [first, second]}
  - lstm: {units: 4, sequence: true, bidirectional: true, initial_state: first}
    from: steps
  - gru: {units: 4, bidirectional: true, initial_state: second}
  - dense: {units: 2}
""",
    "numbers_at_each_position": """
input: {length: 4, features: 6}
layers:
  - dense: {units: 6, activation: softmax}
    name: shares
  - parallel:
      branches:
        - - tanh
        - - dense: {units: 5, activation: relu}
          - dropout: {rate: 0.5}
  - dense: {units: 6}
  - add: {with: [shares]}
  - softmax
  - multiply: {with: [shares, input]}
  - flatten
  - dense: {units: 3}
""",
    "frozen": """
input: {length: 4, vocabulary: 9}
layers:
  - embedding: {features: 6}
    trainable: false
  - lstm: {units: 6, sequence: true}
    trainable: false
  - attention: {heads: 3}
    trainable: false
  - gru: {units: 3}
""",
    "in_blocks": """
input: {length: 4, features: 6}
blocks:
  reader:
    args: {units: ~, deep: true, turns: 1}
    let: {part: $(units // 2)}
    layers:
      - lstm: {units: $part, sequence: true, bidirectional: true}
        repeat: $turns
      - gru: {units: $units, sequence: true}
        when: $deep
      - attention: {heads: $part, causal: $deep}
layers:
  - reader: {units: 4, turns: 2}
  - reader: {units: 4, deep: false}
  - reader: {units: 6}
    repeat: 2
""",
}


def test_networks_on_sequences_agree_in_both_targets(tmp_path: Path) -> None:
    specs = {name: check_text(HEAD + text) for name, text in SPECS.items()}
    for outcome in run_both(specs, tmp_path).values():
        assert_same_network(outcome)


def test_an_lstm_has_one_bias_and_a_gru_two() -> None:
    inputs = (Shape(SEQUENCE, (10, 28)),)
    lstm, gru = make("lstm", units=128), make("gru", units=128)
    count = sum(w.count for w in lstm.weights(inputs))
    assert count == 4 * 128 * (28 + 128 + 1) == 80_384
    count = sum(w.count for w in gru.weights(inputs))
    assert count == 3 * 128 * (28 + 128 + 2) == 60_672
    assert lstm.macs(inputs, lstm.infer(inputs)) == 10 * 4 * 128 * (28 + 128)
    assert gru.macs(inputs, gru.infer(inputs)) == 10 * 3 * 128 * (28 + 128)


def test_a_way_back_doubles_numbers_parameters_and_macs() -> None:
    inputs = (Shape(SEQUENCE, (10, 28)),)
    one, two = (make("lstm", units=8, bidirectional=b) for b in (False, True))
    assert out(one, *inputs) == vector(8)
    assert out(two, *inputs) == vector(16)
    counts = [sum(w.count for w in layer.weights(inputs)) for layer in (one, two)]
    assert counts[1] == 2 * counts[0]
    macs = [layer.macs(inputs, layer.infer(inputs)) for layer in (one, two)]
    assert macs[1] == 2 * macs[0]


def test_attention_of_the_transformer_has_a_million_parameters() -> None:
    """Vaswani et al., section 3.2.2: 512 features in 8 heads, four matrices (here with bias)."""
    layer, inputs = make("attention", heads=8), (Shape(SEQUENCE, (100, 512)),)
    assert out(layer, *inputs) == inputs[0]
    assert sum(w.count for w in layer.weights(inputs)) == 4 * 512 * 513
    macs = layer.macs(inputs, layer.infer(inputs))
    assert macs == 4 * 100 * 512 * 512 + 2 * 100 * 100 * 512


def test_attention_to_a_memory_keeps_the_shape_of_what_asks() -> None:
    layer = make("attention", heads=2)
    inputs = Shape(SEQUENCE, (3, 8)), Shape(SEQUENCE, (7, 5))
    assert out(layer, *inputs) == inputs[0]
    assert sum(w.count for w in layer.weights(inputs)) == 2 * 8 * 9 + 2 * 8 * 6
    macs = layer.macs(inputs, layer.infer(inputs))
    assert macs == 2 * 3 * 8 * 8 + 2 * 7 * 5 * 8 + 2 * 3 * 7 * 8


def test_an_embedding_costs_memory_alone() -> None:
    layer, inputs = make("embedding", features=64), (Shape(TOKENS, (20,), 1000),)
    assert out(layer, *inputs) == Shape(SEQUENCE, (20, 64))
    assert sum(w.count for w in layer.weights(inputs)) == 64_000
    assert layer.macs(inputs, layer.infer(inputs)) == 0


def test_recurrent_layers_count_for_the_depth() -> None:
    totals = total(graph_of(HEAD + SPECS["captions"]))
    assert totals is not None
    assert totals.depth == 4  # conv, dense, lstm, dense
    assert totals.costs.params == 112 + 390 + 140 + 336 + 140


def graph_of(text: str) -> Any:
    graph = check_text(text).graph
    assert graph is not None
    return graph


@pytest.mark.parametrize("op", ["lstm", "gru"])
def test_an_initial_state_is_a_vector_of_the_units(op: str) -> None:
    layer, sequence = make(op, units=6), Shape(SEQUENCE, (4, 3))
    assert out(layer, sequence, vector(6)) == vector(6)
    found = fault(layer, sequence, vector(5))
    assert (found.code, found.field, found.port) == ("CS312", "initial_state", 1)
    assert found.label == "gets a vector of 5, takes a vector of 6"
    assert texts(found) == ["units 5"]
    assert fault(layer, sequence, sequence).help == "put `dense` before it"


def test_heads_that_do_not_divide_offer_the_nearest_that_do() -> None:
    found = fault(make("attention", heads=5), Shape(SEQUENCE, (4, 12)))
    assert (found.code, found.field, found.port) == ("CS313", "heads", 0)
    assert texts(found) == ["heads 4", "heads 6", "heads 3"]


def test_more_heads_than_features_offer_as_many() -> None:
    found = fault(make("attention", heads=10**17), Shape(SEQUENCE, (4, 12)))
    assert texts(found) == ["heads 12", "heads 1"]


@pytest.mark.parametrize("op", ["dense", "lstm", "attention", "relu"])
def test_tokens_are_sent_to_an_embedding(op: str) -> None:
    given = {"dense": {"units": 1}, "lstm": {"units": 1}, "attention": {"heads": 1}}
    layer = make(op, **given.get(op, {}))
    with pytest.raises(Misfit) as caught:
        layer.infer((Shape(TOKENS, (4,), 9),))
    assert caught.value.remark.help == "put `embedding` before it"


FIRST = {
    "usual": """
input: {length: 3, vocabulary: 2000}
layers:
  - embedding: {features: 128}
  - lstm: {units: 160, sequence: true, bidirectional: true}
  - gru: {units: 192, sequence: true}
  - attention: {heads: 4}
  - dense: {units: 500}
""",
    "by_init": """
input: {length: 3, vocabulary: 2000}
layers:
  - embedding: {features: 128}
    init: he_normal
    name: words
  - lstm: {units: 160, sequence: true, bidirectional: true}
    init: {normal: {stddev: 2}}
    repeat: 2
  - gru: {units: 192, sequence: true}
    init: he_uniform
  - attention: {heads: 4, memory: words}
    init: glorot_uniform
""",
}


def uniform(limit: float) -> float:
    """The deviation of numbers within ±limit."""
    return limit / sqrt(3)


# PyTorch's key, Keras' path, and the standard deviation.
DEVIATIONS = {
    "usual": [
        ("embedding.weight", "embedding/embeddings", 0.02),
        (
            "lstm.weight_ih_l0(_reverse)?",
            "lstm/.*/kernel",
            uniform(sqrt(6 / (128 + 640))),
        ),
        ("gru.weight_ih_l0", "gru/.*/kernel", uniform(sqrt(6 / (320 + 576)))),
        ("attention.(in_proj_|out_proj.)weight", "attention/.*/kernel", 0.02),
        ("dense.weight", "dense/kernel", sqrt(2 / 192)),
    ],
    "by_init": [
        ("words.weight", "words/embeddings", sqrt(2 / 2000)),
        (r"lstm\.[01].weight_ih_l0(_reverse)?", r"lstm\.[01]/.*/kernel", 2.0),
        ("gru.weight_ih_l0", "gru/.*/kernel", sqrt(2 / 320)),
        (
            "attention.(q_proj_|out_proj.)weight",
            "attention/(query|attention_output)/kernel",
            sqrt(2 / (192 + 192)),
        ),
        (
            "attention.[kv]_proj_weight",
            "attention/(key|value)/kernel",
            sqrt(2 / (128 + 192)),
        ),
    ],
}


@pytest.fixture(scope="module")
def first_values() -> dict[str, dict[str, Any]]:
    """By target, then spec and weight."""
    found = {}
    for target in TARGETS:
        models = {}
        for name, text in FIRST.items():
            checked = check_text(HEAD + text)
            function = camel("net") if target == "pytorch" else "net"
            models[name] = [model_text(checked, target, None), function]
        run = subprocess.run(
            [sys.executable, str(FIRST_VALUES), target],
            input=json.dumps(models),
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert run.returncode == 0, run.stderr[-2000:]
        found[target] = json.loads(run.stdout)
    return found


@pytest.mark.parametrize("name", FIRST)
@pytest.mark.parametrize("target", TARGETS)
def test_kernels_of_sequence_layers_begin_alike_in_both_targets(
    target: str, name: str, first_values: dict[str, dict[str, Any]]
) -> None:
    weights = first_values[target][name]
    for key, path, deviation in DEVIATIONS[name]:
        pattern = key if target == "pytorch" else path
        matching = [v for n, v in weights.items() if re.fullmatch(pattern, n)]
        assert matching, pattern
        for values in matching:  # at least 20,000 numbers each
            assert abs(values["mean"]) < 0.03 * deviation, pattern
            assert abs(values["deviation"] / deviation - 1) < 0.03, pattern


@pytest.mark.parametrize("target", TARGETS)
def test_recurrent_kernels_begin_orthogonal_and_biases_at_zero_but_the_forget_gates(
    target: str, first_values: dict[str, dict[str, Any]]
) -> None:
    for weights in first_values[target].values():
        biases = set()
        for name, values in weights.items():
            if "weight_hh" in name or "recurrent_kernel" in name:
                assert values["from_orthogonal"] < 1e-5, name
            elif "bias" in name and "lstm" in name:
                assert values["quarters"] == [0, 1, 0, 0], name
                biases.add(name)
            elif "bias" in name:
                assert values["least"] == values["largest"] == 0, name
                biases.add(name)
        assert len(biases) >= 5
