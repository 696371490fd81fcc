"""Networks that use every structure of the language, built and run in both frameworks."""

from __future__ import annotations

import pytest

from tests.parity.harness import assert_same_network, check_text, run_both
from tests.parity.hostile import HOSTILE, IMAGE
from tests.parity.reuses import REUSES

HEAD = "cnnspec: 1\nname: net\n"

SPECS = {
    "plain": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3, activation: relu}
  - batch_norm
  - relu
  - dropout: {rate: 0.5}
  - flatten
  - dense: {units: 5, activation: softmax}
""",
    "repeats": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3, padding: same}
    repeat: 3
  - conv: {filters: 4, kernel: 3, padding: same, activation: tanh}
    repeat: 2
  - conv: {filters: $(4 + index * 2), kernel: 3, padding: 1}
    repeat: 3
  - relu
    repeat: 2
  - max_pool: {kernel: 2}
    repeat: 2
""".replace("- relu\n    repeat: 2", "- relu:\n    repeat: 2"),
    "zero_repeat": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
    repeat: 0
  - conv: {filters: 2, kernel: 3}
    name: dropped
    when: false
  - relu
""",
    "block_repeat": IMAGE
    + """
blocks:
  unit:
    args: {width: ~, kernel: 3}
    let: {middle: $(width // 2)}
    layers:
      - conv: {filters: $middle, kernel: 1}
      - conv: {filters: $width, kernel: $kernel, padding: same}
      - relu
layers:
  - unit: {width: 8}
    repeat: 3
  - unit: {width: $(8 * (index + 1))}
    repeat: 2
  - unit: {width: 6, kernel: 1}
    repeat: 1
""",
    "dense_block": IMAGE
    + """
blocks:
  layer:
    args: {growth: ~}
    layers:
      - parallel:
          branches:
            - []
            - - batch_norm
              - relu
              - conv: {filters: $growth, kernel: 3, padding: 1, bias: false}
  dense_net:
    args: {growth: ~, depth: ~}
    layers:
      - layer: {growth: $growth}
        repeat: $depth
      - conv: {filters: $(in_channels // 2), kernel: 1}
layers:
  - conv: {filters: 8, kernel: 3}
  - dense_net: {growth: 4, depth: 3}
  - dense_net: {growth: 2, depth: 2}
""",
    "inverted_residual": IMAGE
    + """
blocks:
  inverted_residual:
    args: {filters: ~, stride: 1, expand: 4}
    let: {hidden: $(in_channels * expand)}
    layers:
      - residual:
          connect: $(stride == 1 and in_channels == filters)
          body:
            - conv: {filters: $hidden, kernel: 1, bias: false}
              when: $(expand != 1)
            - batch_norm
            - relu
            - conv: {filters: $hidden, kernel: 3, stride: $stride, padding: 1, groups: $hidden, bias: false}
            - conv: {filters: $filters, kernel: 1, bias: false}
layers:
  - inverted_residual: {filters: 4, expand: 1}
  - inverted_residual: {filters: 4}
  - inverted_residual: {filters: 6, stride: 2}
  - inverted_residual: {filters: 6}
""",
    "squeeze_excite": IMAGE
    + """
blocks:
  squeeze_excite:
    args: {ratio: 4}
    layers:
      - identity
        name: maps
      - global_avg_pool: {keep: true}
      - conv: {filters: "$(max(1, in_channels // ratio))", kernel: 1, activation: relu}
      - conv: {filters: $in_channels, kernel: 1, activation: sigmoid}
      - multiply: {with: [maps]}
layers:
  - conv: {filters: 8, kernel: 3}
  - squeeze_excite
  - conv: {filters: 6, kernel: 3}
  - squeeze_excite: {ratio: 2}
""".replace("- identity\n        name", "- identity:\n        name"),
    "names": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3, padding: 1}
    name: first
  - relu
  - conv: {filters: 4, kernel: 3, padding: 1}
    from: first
    name: second
  - add: {with: [first, relu]}
  - concat: {with: [second, input]}
  - average: {with: [concat]}
  - maximum: {with: [average, concat]}
""",
    "repeated_containers": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
  - residual:
      body:
        - conv: {filters: 4, kernel: 3, padding: 1}
        - batch_norm
        - conv: {filters: 4, kernel: 1, activation: relu}
          repeat: 2
        - max_pool: {kernel: 3, stride: 1, padding: 1}
          when: $(index > 0)
    repeat: 3
  - parallel:
      merge: add
      branches:
        - [relu]
        - - conv: {filters: 4, kernel: 3, padding: same}
          - residual: {body: [tanh]}
    repeat: 2
""",
    "branches": IMAGE
    + """
layers:
  - conv: {filters: 6, kernel: 3}
  - parallel:
      split: true
      branches:
        - - conv: {filters: 4, kernel: 3, padding: 1}
        - - conv: {filters: 2, kernel: 1}
          - relu
  - parallel:
      merge: maximum
      branches: [[relu], [tanh], [sigmoid]]
  - parallel:
      merge: average
      branches: [[], [relu]]
  - parallel:
      merge: multiply
      branches: [[relu], [identity]]
""",
    "heads": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
  - head:
      name: extra
      serve: false
      loss_weight: 0.3
      layers: [global_avg_pool, {dense: {units: 3}}]
  - relu
  - head: {name: side, layers: [flatten, {dense: {units: 2}}]}
  - global_avg_pool
  - dense: {units: 7}
""",
    "outputs": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
    name: features
  - global_avg_pool
  - dense: {units: 7}
    name: logits
outputs: [features, logits]
""",
    "two_inputs": """
inputs:
  left: {channels: 3, height: 8, width: 8}
  right: {channels: 1, height: 8, width: 8}
layers:
  - conv: {filters: 4, kernel: 3}
    from: left
    name: one
  - conv: {filters: 4, kernel: 3}
    from: right
  - add: {with: [one]}
""",
    "signal": """
input: {channels: 2, length: 33}
layers:
  - conv: {filters: 4, kernel: 5, stride: 2, padding: same}
  - max_pool: {kernel: 3, stride: 2, padding: 1}
  - batch_norm
  - avg_pool: {kernel: 2}
  - flatten
  - batch_norm
  - dense: {units: 3}
""",
    "volume": """
input: {channels: 1, depth: 6, height: 8, width: 7}
layers:
  - conv: {filters: 3, kernel: [1, 3, 2], stride: [1, 2, 1], padding: same}
  - max_pool: {kernel: 2}
  - batch_norm
  - global_avg_pool
""",
    "vector": """
input: {features: 12}
layers:
  - dense: {units: 8, activation: tanh}
    repeat: 2
  - residual: {body: [{dense: {units: 8}}, relu]}
  - softmax
""",
    "sizes_differ": IMAGE
    + """
blocks:
  unit:
    args: {filters: ~}
    layers:
      - conv: {filters: $filters, kernel: 3, stride: 2, padding: same}
      - max_pool: {kernel: 3, stride: 2, padding: same}
  classifier:
    layers:
      - flatten
      - dense: {units: 4}
layers:
  - unit: {filters: 4}
    name: first
  - classifier
    name: small
  - unit: {filters: 5}
    from: input
  - conv: {filters: 3, kernel: 3}
  - classifier
    name: large
  - add: {with: [small]}
""".replace("- classifier\n    name", "- classifier:\n    name"),
    "ceil_sizes_differ": IMAGE
    + """
blocks:
  stage:
    args: {padding: 0}
    layers:
      - conv: {filters: 4, kernel: 2}
      - max_pool: {kernel: 3, stride: 2, rounding: ceil, padding: $padding}
layers:
  - stage
  - stage: {padding: 1}
  - stage: {padding: 1}
""",
    "frozen": IMAGE
    + """
blocks:
  unit:
    layers:
      - conv: {filters: 3, kernel: 3}
      - batch_norm
layers:
  - unit:
    repeat: 2
    trainable: false
  - unit
  - conv: {filters: 3, kernel: 3}
    trainable: false
""",
    "init": IMAGE
    + """
blocks:
  unit:
    args: {wide: true}
    layers:
      - conv: {filters: 3, kernel: 3}
        init: glorot_uniform
      - conv: {filters: 3, kernel: 1}
        init: {normal: {stddev: 0.5}}
        when: $wide
layers:
  - unit
  - unit: {wide: false}
  - conv: {filters: 4, kernel: 3}
    init: {constant: {value: 0.5}}
    repeat: 2
  - conv: {filters: 4, kernel: 3, padding: 1}
    init: lecun_normal
""",
    **HOSTILE,
    **REUSES,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):  # type: ignore[no-untyped-def]
    checked = {name: check_text(HEAD + text) for name, text in SPECS.items()}
    return run_both(checked, tmp_path_factory.mktemp("structures"))


@pytest.mark.parametrize("name", SPECS)
def test_both_generated_models_are_the_checked_network(name, outcomes):  # type: ignore[no-untyped-def]
    assert_same_network(outcomes[name])
