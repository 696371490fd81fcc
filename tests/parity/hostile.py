"""Specs whose names, numbers and repeats trap a generator, by what they try; no header."""

from __future__ import annotations

IMAGE = "input: {channels: 3, height: 16, width: 16}\n"

NUMBERS = {
    "float_argument": IMAGE
    + """
blocks:
  se:
    args: {ratio: 0.25}
    layers:
      - conv: {filters: "$(max(1, round(in_channels * ratio)))", kernel: 1}
      - batch_norm
      - conv: {filters: 4, kernel: 1}
layers:
  - conv: {filters: 8, kernel: 1}
  - se
  - se: {ratio: 0.5}
""",
    "rounded_variable": IMAGE
    + """
vars: {base: 64}
blocks:
  unit:
    args: {mult: 1.0}
    layers:
      - conv: {filters: $(round(base * mult)), kernel: 1}
      - batch_norm
layers:
  - unit: {mult: 0.5}
  - unit: {mult: 0.25}
""",
    "units_as_they_come": IMAGE
    + """
blocks:
  top:
    args: {u: ~}
    layers:
      - flatten: {}
      - dense: {units: $u}
        repeat: 2
layers:
  - top: {u: 3}
    name: large
  - conv: {filters: 4, kernel: 3}
    from: input
  - max_pool: {kernel: 2}
  - top: {u: 4}
    name: small
  - concat: {with: [large]}
""",
}

NAMES = {
    "layer_after_its_block": IMAGE
    + """
blocks: {stem: {layers: [{conv: {filters: 4, kernel: 1}}]}}
layers:
  - stem
  - conv: {filters: 4, kernel: 3, padding: 1}
  - add: {with: [stem]}
""",
    "layer_before_the_block_it_is_named_like": IMAGE
    + """
blocks: {stem: {layers: [{conv: {filters: 4, kernel: 1}}]}}
layers:
  - conv: {filters: 4, kernel: 3, padding: 1}
    name: stem
  - stem: {}
    name: second
  - stem: {}
    name: third
  - add: {with: [stem, second]}
""",
    "head_named_like_its_block": IMAGE
    + """
blocks: {side: {args: {units: 2}, layers: [flatten, {dense: {units: $units}}]}}
layers:
  - conv: {filters: 4, kernel: 3}
  - head: {name: side, layers: [side]}
  - relu
  - side: {units: 5}
    name: classes
""",
    "input_named_like_a_block": """
inputs:
  unit: {channels: 3, height: 8, width: 8}
  other: {channels: 3, height: 8, width: 8}
blocks: {unit: {layers: [{conv: {filters: 3, kernel: 1}}]}}
layers:
  - unit: {}
    from: other
    name: first
  - unit: {}
    name: second
  - add: {with: [unit, first]}
""",
    "layer_named_like_the_helper_activate": IMAGE
    + """
blocks:
  u:
    args: {act: relu}
    layers:
      - conv: {filters: 3, kernel: 1, activation: $act}
        name: activate
      - conv: {filters: 3, kernel: 1, activation: $act}
      - add: {with: [activate]}
layers:
  - u
  - u: {act: tanh}
""",
    "layer_named_like_the_helper_pad_same": IMAGE
    + """
blocks:
  u:
    layers:
      - conv: {filters: 3, kernel: 3, stride: 2, padding: same}
        name: pad_same
      - conv: {filters: 3, kernel: 2, stride: 1, padding: same}
      - add: {with: [pad_same]}
layers:
  - u
  - conv: {filters: 3, kernel: 2}
  - u
  - u
""",
    "block_named_like_the_helper_every2d": IMAGE
    + """
blocks:
  every2d:
    layers:
      - conv: {filters: 4, kernel: 3, stride: 2, dilation: 2, padding: 2}
layers:
  - every2d
  - every2d: {}
    name: pad_ceil
  - relu
""",
    "block_named_like_the_helper_avg_pool2d": IMAGE
    + """
blocks:
  avg_pool2d:
    layers:
      - avg_pool: {kernel: 3, stride: 2, rounding: ceil, padding: [0, 1, 0, 1]}
layers:
  - avg_pool2d
  - conv: {filters: 4, kernel: 2}
  - avg_pool2d
""",
    "inputs_named_like_branches": """
inputs:
  shortcut: {channels: 4, height: 8, width: 8}
  branch1: {channels: 4, height: 8, width: 8}
layers:
  - residual:
      body: [{conv: {filters: 4, kernel: 3, padding: 1}}, relu]
      shortcut: [{conv: {filters: 4, kernel: 1}}]
    from: branch1
  - parallel:
      merge: add
      branches:
        - [{conv: {filters: 4, kernel: 1}}, relu]
        - [{conv: {filters: 4, kernel: 3, padding: 1}}, tanh]
  - add: {with: [shortcut]}
  - average: {with: [branch1, shortcut]}
""",
    "layer_named_like_a_loop_variable": IMAGE
    + """
layers:
  - conv: {filters: 3, kernel: 1}
    name: index2
  - residual:
      body:
        - residual:
            body:
              - conv: {filters: 3, kernel: 1}
                repeat: 2
              - relu
          repeat: 2
        - tanh
    repeat: 2
  - add: {with: [index2]}
""",
}

REPEATS = {
    "counts_from_the_index_around": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 1}
  - residual:
      body:
        - residual:
            body:
              - residual: {body: [{conv: {filters: 4, kernel: 1}}, relu]}
                repeat: $(index + 1)
          repeat: 2
        - tanh
    repeat: 3
""",
    "containers_that_grow": IMAGE
    + """
layers:
  - parallel:
      branches: [[], [{conv: {filters: 2, kernel: 3, padding: 1}}]]
    repeat: 3
  - residual:
      connect: false
      body: [{conv: {filters: 4, kernel: 3, padding: 1}}, relu]
    repeat: 3
  - conv: {filters: 2, kernel: 1}
""",
    "first_round_differs": IMAGE
    + """
layers:
  - residual:
      connect: false
      body: [{conv: {filters: 4, kernel: 3, padding: 1}}, relu]
    repeat: 3
""",
}

OUTPUTS = {
    "an_input_is_an_output": """
inputs:
  left: {channels: 3, height: 8, width: 8}
  right: {channels: 3, height: 8, width: 8}
layers:
  - conv: {filters: 3, kernel: 1}
    from: left
    name: maps
  - add: {with: [right]}
    name: total
outputs: [right, total, maps, left]
""",
    "the_input_is_an_output": IMAGE
    + """
layers:
  - conv: {filters: 3, kernel: 1}
    name: first
outputs: [first, input]
""",
    "one_output_by_name": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
    name: maps
  - relu: {}
    name: last_one
outputs: [last_one]
""",
    "the_input_alone": IMAGE + "layers: []\n",
    "logits_of_a_dropped_end": IMAGE
    + """
layers:
  - global_avg_pool
  - dense: {units: 4, activation: softmax}
  - relu:
    when: false
train: {loss: cross_entropy}
""",
    "logits_of_two_heads": IMAGE
    + """
layers:
  - conv: {filters: 4, kernel: 3}
  - head: {name: side, serve: false, layers: [flatten, {dense: {units: 4}}, softmax]}
  - global_avg_pool
  - softmax
  - dense: {units: 4, activation: softmax}
train: {loss: cross_entropy}
""",
    "logits_in_a_block": IMAGE
    + """
blocks: {top: {layers: [global_avg_pool, {dense: {units: 4}}, softmax]}}
layers: [top]
train: {loss: cross_entropy}
""",
    "block_named_like_the_variable_of_a_shortcut": IMAGE
    + """
blocks: {shortcut: {args: {width: ~}, layers: [{conv: {filters: $width, kernel: 1}}]}}
layers:
  - parallel:
      branches:
        - [{shortcut: {width: 6}}]
        - - residual:
              body: [{conv: {filters: 4, kernel: 1}}]
              shortcut: [{conv: {filters: 4, kernel: 1}}]
          - shortcut: {width: 4}
""",
    "block_named_like_the_variable_of_a_branch": IMAGE
    + """
blocks: {branch1: {args: {width: ~}, layers: [{conv: {filters: $width, kernel: 1}}]}}
layers:
  - branch1: {width: 4}
  - parallel: {branches: [[{branch1: {width: $(4 + index * 2)}}]]}
    repeat: 2
""",
    "channels_that_a_condition_may_double": """
input: {channels: 4, length: 13}
blocks:
  wide:
    args: {size: ~}
    layers: [{conv: {filters: $(in_channels * 2), kernel: 3}}]
  unit:
    layers:
      - conv: {filters: 6, kernel: 3}
      - wide: {size: $in_channels}
        when: $(in_channels > 4)
layers:
  - residual: {body: []}
    repeat: 1
  - unit: {}
    repeat: 2
""",
    "repeats_of_a_block_that_repeats": IMAGE
    + """
blocks:
  unit: {layers: [{conv: {filters: 4, kernel: 3, padding: 1}, repeat: 2}]}
layers:
  - conv: {filters: 4, kernel: 1}
  - residual: {body: [{unit: {}, repeat: 2}]}
    repeat: 1
  - unit: {}
    repeat: 2
""",
}

HOSTILE = {**NUMBERS, **NAMES, **REPEATS, **OUTPUTS}
