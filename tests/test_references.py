"""Layers that read others by name: references, parts of a split, reuse, heads, outputs."""

from __future__ import annotations

import pytest

from tests.checking import check, codes, fine, shapes


def test_from_replaces_the_flow_and_with_joins_in_order() -> None:
    text = """
        - conv: {filters: 6, kernel: 1}
          name: a
        - conv: {filters: 7, kernel: 1}
          name: b
        - conv: {filters: 8, kernel: 1}
          from: a
        - concat: {with: [b, input]}
    """
    layers = fine(text)["layers"]
    assert layers[2]["inputs"] == [[6, 8, 8]]
    assert [shape[0] for shape in layers[3]["inputs"]] == [8, 7, 4]


@pytest.mark.parametrize("shared", ["repeat: 0", "when: false"])
def test_a_dropped_layer_is_the_identity_and_its_name_its_input(shared: str) -> None:
    text = f"""
        - conv: {{filters: 6, kernel: 3}}
        - conv: {{filters: 9, kernel: 3}}
          name: gone
          {shared}
        - relu
        - add: {{with: [gone]}}
    """
    assert shapes(text) == {"conv": [6, 6, 6], "relu": [6, 6, 6], "add": [6, 6, 6]}


def test_a_name_of_a_repeated_layer_means_the_last_round() -> None:
    text = """
        - conv: {filters: $(4 + index), kernel: 3}
          name: deep
          repeat: 2
        - relu
        - concat: {with: [deep]}
    """
    assert shapes(text)["concat"] == [10, 4, 4]


def test_input_in_a_block_is_what_enters_the_block() -> None:
    text = """
        blocks:
          gate:
            layers:
              - conv: {filters: $in_channels, kernel: 1, activation: sigmoid}
              - multiply: {with: [input]}
        layers:
          - conv: {filters: 6, kernel: 3}
          - gate
    """
    assert fine(text)["layers"][-1]["inputs"] == [[6, 6, 6], [6, 6, 6]]


@pytest.mark.parametrize(
    "text",
    [
        "- parallel:\n    branches:\n      - - relu:\n          name: a\n      - - add: {with: [a]}\n",
        "- residual:\n    body:\n      - relu:\n        name: a\n- add: {with: [a]}\n",
        "- add: {with: [a]}\n- relu:\n  name: a\n",
        "- relu:\n  from: a\n  name: a\n",
        "blocks:\n  b:\n    layers:\n      - add: {with: [a]}\nlayers:\n  - relu:\n    name: a\n  - b\n",
    ],
)
def test_names_are_seen_later_in_their_list_and_in_lists_inside_it(text: str) -> None:
    assert codes(text) == ["CS217"]


def test_a_name_is_seen_in_lists_inside_its_own() -> None:
    text = """
        - relu:
          name: early
        - residual:
            body:
              - parallel:
                  branches:
                    - - tanh
                      - add: {with: [early]}
                    - [sigmoid]
            shortcut: [{concat: {with: [early]}}]
    """
    assert fine(text)["outputs"] == {"output": [8, 8, 8]}


HEADED = """
    - conv: {filters: 6, kernel: 3}
    - head: {name: extra, serve: %s, layers: [global_avg_pool, {dense: {units: 3}}]}
    - conv: {filters: 7, kernel: 3}
"""


def test_a_head_taps_the_flow_and_leaves_it_going() -> None:
    found = fine(HEADED % "true")
    assert found["outputs"] == {"output": [7, 4, 4], "extra": [3]}
    assert found["layers"][-1]["inputs"] == [[6, 6, 6]]
    assert found["totals"]["depth"] == 2


def test_a_head_that_does_not_serve_counts_in_training_alone() -> None:
    served, trained = fine(HEADED % "true")["totals"], fine(HEADED % "false")["totals"]
    assert served["params"] == served["training"]["params"]
    assert served["params"] - trained["params"] == 3 * 6 + 3
    assert trained["training"]["params"] == served["params"]
    assert trained["layers"] == served["layers"] - 2


def test_a_head_may_read_an_earlier_layer() -> None:
    text = """
        - conv: {filters: 6, kernel: 3}
          name: early
        - conv: {filters: 7, kernel: 3}
        - head: {name: extra, layers: [relu]}
          from: early
        - tanh
    """
    found = fine(text)
    assert found["outputs"] == {"output": [7, 4, 4], "extra": [6, 6, 6]}


def test_outputs_lists_layers_in_order() -> None:
    text = """
        layers:
          - relu:
            name: a
          - conv: {filters: 2, kernel: 3}
            name: b
        outputs: [b, a]
    """
    assert list(fine(text)["outputs"].items()) == [("b", [2, 6, 6]), ("a", [4, 8, 8])]


def test_the_parts_of_a_split_are_read_by_their_names_and_the_first_flows_on() -> None:
    text = """
        - split: {into: [left, right]}
        - conv: {filters: 6, kernel: 1}
        - concat: {with: [right, left]}
    """
    layers = fine(text)["layers"]
    assert layers[0]["outputs"] == [[2, 8, 8], [2, 8, 8]]
    assert layers[1]["inputs"] == [[2, 8, 8]]
    assert layers[2]["inputs"] == [[6, 8, 8], [2, 8, 8], [2, 8, 8]]


def test_split_takes_the_sizes_of_its_parts() -> None:
    text = "- split: {into: [left, right], sizes: [1, 3]}\n- concat: {with: [right]}"
    assert fine(text)["layers"][0]["outputs"] == [[1, 8, 8], [3, 8, 8]]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("into: [a, b, c]", "CS308", "the channels can't be split evenly"),
        (
            "into: [a, b], sizes: [1, 2]",
            "CS308",
            "the sizes of the parts don't add up to the channels",
        ),
        (
            "into: [a, b], sizes: [1, 1, 2]",
            "CS308",
            "`sizes` does not have one number for each part",
        ),
        ("into: [a, a]", "CS216", "two layers are named `a`"),
        (
            "into: [a, input]",
            "CS112",
            "`input` can't name a part: it is a word of Python",
        ),
        ("into: [a, Left]", "CS111", "this is no name for a part"),
        ("into: [a]", "CS107", "`into` of `split` must be a list of 2 texts or more"),
        ("into: [a, $b]", "CS107", "`into` takes names of layers, not expressions"),
        ("into: [a, b]", "CS222", "nobody reads the part `b`"),
    ],
)
def test_a_wrong_split_is_one_error(text: str, code: str, message: str) -> None:
    (found,) = check(f"- split: {{{text}}}")["diagnostics"]
    assert (found["code"], found["message"]) == (code, message)


@pytest.mark.parametrize("key", ["when: true", "repeat: 2"])
def test_a_split_has_no_condition_and_no_repeat(key: str) -> None:
    text = f"- split: {{into: [a, b]}}\n  {key}\n- add: {{with: [b]}}"
    (found,) = check(text)["diagnostics"]
    assert found["code"] == "CS113"


def test_a_reused_layer_counts_its_parameters_once_and_its_work_each_time() -> None:
    text = """
        - conv: {filters: 4, kernel: 3, padding: 1}
          name: turn
        - max_pool: {kernel: 2}
        - reuse: turn
    """
    spec = fine(text)
    first, _, again = spec["layers"]
    assert (first["params"], first["macs"]) == (148, 9216)
    assert (again["params"], again["macs"], again["reuses"]) == (0, 2304, "turn")
    assert (again["path"], again["op"]) == ("reuse", "conv")
    assert spec["totals"]["params"] == 148
    assert spec["totals"]["depth"] == 2


def test_a_reused_block_names_the_owner_of_each_weight() -> None:
    text = """
        blocks:
          unit:
            args: {width: 4}
            layers:
              - conv: {filters: $width, kernel: 1}
              - batch_norm
        layers:
          - unit
          - reuse: unit
            name: again
    """
    layers = fine(text)["layers"]
    owners = {layer["path"]: layer.get("reuses") for layer in layers}
    assert owners == {
        "unit.conv": None,
        "unit.batch_norm": None,
        "again.conv": "unit.conv",
        "again.batch_norm": "unit.batch_norm",
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- relu\n- reuse: missing", "CS217"),
        ("- relu\n- reuse: input", "CS224"),
        ("- residual: {body: [relu]}\n  name: a\n- reuse: a", "CS224"),
        ("- relu:\n  name: a\n  when: true\n- reuse: a", "CS224"),
        ("- relu:\n  name: a\n- add: {with: [a]}\n  name: b\n- reuse: b", "CS224"),
        ("- split: {into: [a, b]}\n  name: c\n- add: {with: [b]}\n- reuse: c", "CS224"),
        ("- relu:\n  name: a\n- reuse: {layer: a}", "CS107"),
        ("- relu:\n  name: a\n- reuse", "CS107"),
        ("- relu:\n  name: a\n- reuse: a\n  trainable: false", "CS113"),
        ("- relu:\n  name: a\n- reuse: a\n  init: he_normal", "CS114"),
        ("- conv: {filters: 3, kernel: 1}\n  name: a\n- reuse: a", "CS307"),
    ],
)
def test_a_wrong_reuse_is_one_error(text: str, code: str) -> None:
    assert codes(text) == [code]
