"""What specs mean: blocks, repeats, conditions, branches, inputs, expressions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checking import check, codes, fine, shapes

STEP = """\
blocks:
  step:
    args: {width: ~, kernel: 3}
    let: {margin: $(kernel // 2), wide: $(width * 2)}
    layers:
      - conv: {filters: $wide, kernel: $kernel, padding: $margin}
      - relu
"""


def test_a_bare_an_empty_and_a_braced_operation_are_the_same() -> None:
    layers = fine("- relu\n- relu:\n- relu: {}\n")["layers"]
    assert [layer["op"] for layer in layers] == ["relu"] * 3
    assert [layer["path"] for layer in layers] == ["relu1", "relu2", "relu3"]


def test_an_ordinal_after_a_digit_has_an_underscore() -> None:
    text = """
        blocks:
          part2:
            layers: [relu]
        layers: [part2, part2]
    """
    assert list(shapes(text)) == ["part2_1.relu", "part2_2.relu"]


def test_ordinals_count_dropped_layers_and_step_over_given_names() -> None:
    text = """
        - relu
        - relu:
          when: false
        - tanh:
          name: relu3
        - relu
    """
    assert list(shapes(text)) == ["relu1", "relu3", "relu4"]


def test_a_block_evaluates_arguments_defaults_and_let() -> None:
    text = f"{STEP}layers:\n  - step: {{width: 3}}\n  - step: {{width: 1, kernel: 5}}\n"
    assert shapes(text) == {
        "step1.conv": [6, 8, 8],
        "step1.relu": [6, 8, 8],
        "step2.conv": [2, 8, 8],
        "step2.relu": [2, 8, 8],
    }


def test_an_argument_hides_a_variable_and_is_evaluated_by_the_caller() -> None:
    text = """
        vars: {width: 5}
        blocks:
          inner:
            args: {width: ~}
            layers:
              - conv: {filters: $width, kernel: 1}
          outer:
            args: {width: 7}
            layers:
              - inner: {width: $(width + 1)}
              - conv: {filters: $width, kernel: 1}
        layers:
          - outer
          - conv: {filters: $width, kernel: 1}
    """
    assert [s[0] for s in shapes(text).values()] == [8, 7, 5]


def test_a_default_may_use_variables() -> None:
    text = """
        vars: {width: 5}
        blocks:
          wide:
            args: {filters: $(width * 3)}
            layers:
              - conv: {filters: $filters, kernel: 1}
        layers: [wide]
    """
    assert shapes(text) == {"wide.conv": [15, 8, 8]}


def test_in_channels_is_one_value_per_instance_also_in_nested_lists() -> None:
    text = """
        blocks:
          grow:
            layers:
              - conv: {filters: $(in_channels + 2), kernel: 1}
              - parallel:
                  branches:
                    - - conv: {filters: $in_channels, kernel: 1}
        layers: [grow, grow]
    """
    found = shapes(text)
    assert found["grow1.conv1"] == [6, 8, 8]
    assert found["grow1.conv2"] == [4, 8, 8]
    assert found["grow2.conv1"] == [6, 8, 8]


def test_repeat_binds_index_and_stands_in_paths() -> None:
    text = """
        - conv: {filters: $(4 + 2 * index), kernel: 1}
          repeat: 3
    """
    assert shapes(text) == {
        "conv[0]": [4, 8, 8],
        "conv[1]": [6, 8, 8],
        "conv[2]": [8, 8, 8],
    }


def test_repeats_of_containers_and_blocks_nest_in_paths() -> None:
    text = f"""{STEP}
layers:
  - residual:
      body:
        - step: {{width: 2}}
          repeat: 2
    repeat: 2
"""
    assert list(shapes(text)) == [
        "step[0][0].conv",
        "step[0][0].relu",
        "step[0][1].conv",
        "step[0][1].relu",
        "residual[0]",
        "step[1][0].conv",
        "step[1][0].relu",
        "step[1][1].conv",
        "step[1][1].relu",
        "residual[1]",
    ]


def test_when_is_evaluated_before_repeat() -> None:
    text = """
        - relu:
          when: $(index < 1)
          repeat: 2
    """
    assert codes(text) == ["CS203"]


def test_a_residual_adds_its_shortcut_and_without_connect_its_body_alone() -> None:
    text = """
        - residual:
            body:
              - conv: {filters: 6, kernel: 3, padding: 1}
            shortcut:
              - conv: {filters: 6, kernel: 1}
        - residual:
            connect: false
            body:
              - conv: {filters: 3, kernel: 3}
    """
    found = fine(text)
    assert [layer["op"] for layer in found["layers"]] == ["conv", "conv", "add", "conv"]
    assert found["layers"][2]["inputs"] == [[6, 8, 8], [6, 8, 8]]
    assert found["outputs"] == {"output": [3, 6, 6]}


@pytest.mark.parametrize(
    ("merge", "channels"),
    [("concat", 12), ("add", 4), ("multiply", 4), ("average", 4), ("maximum", 4)],
)
def test_parallel_merges_its_branches(merge: str, channels: int) -> None:
    text = f"""
        - parallel:
            merge: {merge}
            branches: [[relu], [], [tanh, sigmoid]]
    """
    found = fine(text)
    assert found["layers"][-1]["op"] == merge
    assert found["outputs"] == {"output": [channels, 8, 8]}


def test_split_gives_each_branch_its_part_of_the_channels() -> None:
    text = """
        - parallel:
            split: true
            branches:
              - - conv: {filters: 5, kernel: 1}
              - []
    """
    layers = fine(text)["layers"]
    assert layers[0]["outputs"] == [[2, 8, 8], [2, 8, 8]]
    assert layers[1]["inputs"] == [[2, 8, 8]]
    assert layers[-1]["outputs"] == [[7, 8, 8]]


def test_several_inputs_meet_in_a_merge() -> None:
    text = """
        inputs:
          left: {channels: 2, height: 4, width: 4}
          right: {features: 5}
        layers:
          - flatten:
            from: left
          - concat: {with: [right]}
    """
    found = fine(text)
    assert found["inputs"] == {"left": [2, 4, 4], "right": [5]}
    assert found["outputs"] == {"output": [37]}


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ("channels: 3, height: 4, width: 5", [3, 4, 5]),
        ("channels: 3, length: 9", [3, 9]),
        ("channels: 3, depth: 2, height: 4, width: 5", [3, 2, 4, 5]),
        ("features: 7", [7]),
    ],
)
def test_each_kind_of_input_has_its_shape(keys: str, shape: list[int]) -> None:
    found = fine(f"input: {{{keys}}}\nlayers: [relu]\n")
    assert found["inputs"] == {"input": shape}
    assert found["outputs"] == {"output": shape}


def test_tokens_have_a_length() -> None:
    assert check("input: {length: 7, vocabulary: 100}\nlayers: []\n")["inputs"] == {
        "input": [7]
    }


def test_variables_use_those_before_them_and_set_replaces_them() -> None:
    text = "vars: {width: 4, wide: $(width * 3)}\nlayers:\n  - conv: {filters: $wide, kernel: 1}\n"
    assert shapes(text) == {"conv": [12, 8, 8]}
    assert shapes(text, "--set", "width=5") == {"conv": [15, 8, 8]}
    assert shapes(text, "--set", "wide=5", "--set", "width=1") == {"conv": [5, 8, 8]}


@pytest.mark.parametrize(
    ("expression", "filters"),
    [
        ("$width", 6),
        ("$(width * 4 // 5)", 4),
        ("$(2 ** 3 % 5)", 3),
        ('"$(max(1, width // 100))"', 1),
        ("$(9 if width == 6 else 2)", 9),
        ("$(3 if style == 'thin' else 2)", 3),
        ("$(ceil(width / 4))", 2),
        ("$(-width + 7)", 1),
    ],
)
def test_expressions_give_sizes(expression: str, filters: int) -> None:
    text = f"""
        vars: {{width: 6, style: thin}}
        layers:
          - conv: {{filters: {expression}, kernel: 1}}
    """
    assert shapes(text) == {"conv": [filters, 8, 8]}


def test_a_list_may_be_handed_to_a_block_whole() -> None:
    text = """
        blocks:
          strip:
            args: {kernel: ~}
            layers:
              - conv: {filters: 2, kernel: $kernel}
        layers:
          - strip: {kernel: [1, 7]}
    """
    assert shapes(text) == {"strip.conv": [2, 8, 2]}


def test_trainable_false_freezes_what_it_encloses() -> None:
    steps = "  - step: {width: 2}\n    trainable: false\n  - step: {width: 2}\n"
    text = f"{STEP}layers:\n{steps}"
    totals: dict[str, Any] = fine(text)["totals"]
    assert totals["params"] == (4 * 9 * 4 + 4) * 2
    assert totals["trainable_params"] * 2 == totals["params"]


def test_an_empty_list_of_layers_hands_its_input_on() -> None:
    assert fine("layers: []\n")["outputs"] == {"output": [4, 8, 8]}


def test_x_keys_are_ignored_and_hold_anchors() -> None:
    text = "x-three: &three {filters: 2, kernel: 3}\nlayers:\n  - conv: *three\n  - conv: *three\n"
    assert list(shapes(text).values()) == [[2, 6, 6], [2, 4, 4]]


def test_the_scope_and_line_of_a_layer_are_its_definition() -> None:
    layer = fine(f"{STEP}layers:\n  - step: {{width: 2}}\n")["layers"][0]
    assert layer["scope"] == "step"
    assert layer["line"] == 9


@pytest.mark.parametrize(
    "text",
    [
        # a wrong value, layer, block or variable that others depend on
        "- conv: {filters: 0, kernel: 3}\n  name: a\n- add: {with: [a]}\n- dense: {units: 2}\n",
        "- con: {filters: 2}\n  name: a\n- relu:\n  from: a\n",
        "vars: {a: [1], b: $a}\nlayers:\n  - conv: {filters: $b, kernel: $a}\n",
        "blocks: {b: {args: {w: $q}, layers: [{conv: {filters: $w, kernel: 3}}]}}\nlayers: [b, {b: {w: 3}}]\n",
        "blocks: {b: {layer: [relu]}}\nlayers: [b, {conv: {filters: 2, kernel: 20}}]\n",
        "blocks: [relu]\nlayers: [b, flatten, c]\n",
        "blocks: {b: [relu]}\nlayers: [b, flatten, b]\n",
        "blocks: {b: {args: {w: ~}, layers: [{conv: {filters: $w, kernel: 3}}]}}\nlayers: [{b: {v: 3}}, {residual: {body: [b: {w: 4}]}}]\n",
        "blocks: {b: {args: {w: ~}, layers: [{conv: {filters: $w, kernel: 20}}]}}\nlayers:\n  - b: {w: 3}\n    repeat: 9\n",
        "input: {channels: 0, height: 8, width: 8}\nlayers: [{dense: {units: $in_channels}}]\n",
        "layers:\n  - parallel: {branch: [[relu]]}\n  - dense: {units: 2}\n",
        "layers:\n  - relu:\n    when: $(1 // 0 == 1)\n  - dense: {units: 2}\n",
        "layers:\n  - conv: {filters: 2, kernel: 1}\n    repeat: half\n  - dense: {units: 2}\n",
        "layers: relu\n",
        "blocks: {b: {args: {w: ~}, layers: [{conv: {filters: $w, kernel: 3}}]}}\nlayers: [{b: {w: ~}}]\n",
        "- relu:\n  name: a\n- add: {with: [$a]}\n",
    ],
)
def test_one_mistake_gives_one_error(text: str) -> None:
    found = check(text)["diagnostics"]
    assert len(found) == 1, [d["message"] for d in found]
