"""Specs in which layers and blocks are applied again, and channels are split; no header."""

from __future__ import annotations

IMAGE = "input: {channels: 3, height: 12, width: 11}\n"

REUSES = {
    "reused_layers": IMAGE
    + """
layers:
  - conv: {filters: 3, kernel: 3, padding: same, stride: 2, activation: tanh}
    name: once
  - batch_norm:
    name: norm
  - reuse: once
  - reuse: norm
    when: true
  - reuse: once
    name: last
  - flatten
  - dense: {units: 4}
    name: mix
  - reuse: mix
    from: mix
    when: false
""",
    "reused_in_a_repeat": IMAGE
    + """
layers:
  - residual:
      body:
        - conv: {filters: 3, kernel: 3, padding: 1}
          name: turn
        - batch_norm
        - reuse: turn
    repeat: 2
  - conv: {filters: 3, kernel: 3, padding: 1}
    name: step
  - relu
  - reuse: step
    repeat: 3
""",
    "reused_block": """
inputs:
  left: {channels: 2, height: 12, width: 11}
  right: {channels: 2, height: 12, width: 11}
blocks:
  encoder:
    args: {width: 4}
    layers:
      - conv: {filters: $width, kernel: 3, padding: same, stride: 2, activation: relu}
      - conv: {filters: $(width * 2), kernel: 3}
      - flatten
      - dense: {units: 6}
layers:
  - encoder: {width: 3}
    from: left
    name: embed
  - tanh:
    name: first
  - reuse: embed
    from: right
  - concat: {with: [first]}
  - dense: {units: 2}
""",
    "reused_block_of_another_extent": IMAGE
    + """
blocks:
  inner:
    layers:
      - conv: {filters: 3, kernel: 3, padding: 1}
  tower:
    layers:
      - inner:
        name: deep
      - relu
      - reuse: deep
      - batch_norm
  pair:
    layers:
      - tower
      - max_pool: {kernel: 2}
      - reuse: tower
layers:
  - pair
  - tower:
    name: alone
  - max_pool: {kernel: 2}
  - reuse: alone
""",
    "reused_and_frozen": IMAGE
    + """
blocks:
  tower:
    layers:
      - conv: {filters: 3, kernel: 3, padding: 1}
      - batch_norm
layers:
  - tower:
    name: fixed
    trainable: false
  - reuse: fixed
  - conv: {filters: 3, kernel: 1}
    name: still
    trainable: false
  - reuse: still
  - conv: {filters: 3, kernel: 1}
""",
    "parts": IMAGE
    + """
blocks:
  unit:
    args: {width: ~}
    layers:
      - split: {into: [kept, changed, rest], sizes: [$width, $width, $(in_channels - 2 * width)]}
      - conv: {filters: $width, kernel: 3, padding: 1}
        from: changed
      - batch_norm
      - concat: {with: [kept, rest]}
layers:
  - conv: {filters: 8, kernel: 3}
  - unit: {width: 2}
  - unit: {width: 3}
    repeat: 2
  - split: {into: [left, right]}
  - multiply: {with: [right]}
outputs: [multiply, right]
""",
    "layers_named_as_functions": IMAGE
    + """
blocks:
  squash:
    layers:
      - scaled_tanh
layers:
  - scaled_tanh
  - tanh
  - split: {into: [left, right], sizes: [1, 2]}
    name: cut
  - conv: {filters: 2, kernel: 1}
    name: split
  - multiply: {with: [right]}
  - conv: {filters: 2, kernel: 1}
    name: tanh_1
  - squash
  - local_response_norm: {size: 2}
  - conv: {filters: 2, kernel: 1}
    name: pad
  - max_pool: {kernel: 3, padding: [1, 0, 0, 1], stride: 1}
""",
    "reused_without_weights": IMAGE
    + """
blocks:
  nothing:
    layers:
      - identity
  shrink:
    layers:
      - max_pool: {kernel: 2}
      - upsample: {scale: 2}
      - relu
  two:
    layers:
      - nothing
      - shrink
layers:
  - nothing:
    name: same
  - shrink
  - reuse: same
  - max_pool: {kernel: 2}
  - reuse: same
    name: again
  - reuse: shrink
    name: smaller
  - two
  - max_pool: {kernel: 2, rounding: ceil}
    name: pool
  - reuse: two
    name: twice
  - tanh:
    name: bend
  - reuse: pool
  - reuse: bend
    name: bent
  - flatten
  - dense: {units: 3}
  - reuse: bend
    name: straight
""",
    "inputs_named_as_functions": """
inputs:
  square: {channels: 3, height: 6, width: 5}
  other: {features: 4}
layers:
  - local_response_norm: {size: 3}
    from: square
  - global_avg_pool
  - dense: {units: 4}
    name: get_item_3
  - add: {with: [other]}
""",
}
