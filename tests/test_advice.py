"""What a message tells a user to write is right: the commands exist, what is offered is taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cnnspec.aliases import is_absent, operation_help
from cnnspec.cli import COMMANDS
from cnnspec.containers import CONTAINERS
from cnnspec.layers import OPERATIONS
from tests.checking import check

ROOT = Path(__file__).parents[1]
TEXTS = [
    *sorted((ROOT / "cnnspec").rglob("*.py")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "cnnspec" / "codes.yaml",
    ROOT / "README.md",
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_that_is_named_exists(path: Path) -> None:
    named = re.findall(r"`cnnspec\s+([a-z]+)", path.read_text(encoding="utf-8"))
    assert set(named) <= set(COMMANDS)


def only(text: str, *args: str) -> dict[str, Any]:
    """The one diagnostic of a spec."""
    (found,) = check(text, *args)["diagnostics"]
    return dict(found)


BODY = """
    - residual:
        body:
          - conv: {filters: 16, kernel: 3, stride: 2, padding: 1}
          - relu
          - conv: {filters: 16, kernel: 3, padding: 1}
    """


def test_a_residual_that_changes_its_shape_is_offered_a_projection() -> None:
    found = only(BODY)
    assert found["code"] == "CS306"
    assert found["message"] == "the body gives 16x4x4, the identity shortcut 4x8x8"
    conv = "- conv: {filters: 16, kernel: 1, stride: 2}"
    assert found["help"] == f"a shortcut of `{conv}` fits"
    assert check(f"{BODY.rstrip()}\n        shortcut:\n          {conv}\n")["ok"]


def test_a_residual_without_padding_is_offered_padding() -> None:
    body = "- residual: {body: [conv: {filters: 4, kernel: 3}]}"
    assert only(body)["help"] == "`padding: same` in `conv` of the body fits"
    assert check(body.replace("3}", "3, padding: same}"))["ok"]


def test_a_residual_that_needs_both_is_offered_both() -> None:
    body = "- residual: {body: [conv: {filters: 8, kernel: 3}]}"
    assert only(body)["help"] == (
        "`padding: same` in `conv` of the body and a shortcut of "
        "`- conv: {filters: 8, kernel: 1}` fits"
    )


def test_a_block_is_offered_a_projection_in_its_own_terms() -> None:
    text = """
        blocks:
          unit:
            args: {width: ~, stride: 1}
            layers:
              - residual:
                  body:
                    - conv: {filters: $width, kernel: 3, stride: $stride, padding: 1}
                    - conv: {filters: $width, kernel: 3, padding: 1}
        layers:
          - unit: {width: 4}
          - unit: {width: 8, stride: 2}
        """
    assert only(text)["help"] == (
        "a shortcut of `- conv: {filters: $width, kernel: 1, stride: $stride}` "
        "with `when: $(stride != 1 or in_channels != width)` fits"
    )


def test_a_parallel_names_its_branches() -> None:
    found = only("- parallel: {branches: [[conv: {filters: 4, kernel: 3}], [relu]]}")
    assert found["message"] == "branch 1 gives 4x6x6, branch 2 4x8x8"
    assert found["help"] == "`padding: same` in `conv` of the branches fits"


def test_a_vector_and_maps_are_told_apart() -> None:
    found = only("- residual: {body: [flatten]}")
    assert found["message"] == (
        "the body gives a vector of 256, the identity shortcut an image of 4x8x8"
    )


@pytest.mark.parametrize(
    ("item", "help"),
    [
        ("conv: {filters: 8, kernel: (3, 3)}", "write a list: `[3, 3]`"),
        ('conv: {filters: 8, kernel: "(3, 3)"}', "write `[3, 3]`"),
        ("conv {filters: 8, kernel: 3}", "put `: ` between `conv` and `{`"),
        ("conv {filters: 8}", "put `: ` between `conv` and `{`"),
        ("conv:{filters: 8, kernel: 3}", "put `: ` between `conv` and `{`"),
        ("conv: filters: 8, kernel: 3", "write `conv: {filters: 8, kernel: 3}`"),
        ("conv: {filters: 8 kernel: 3}", "put a comma before `kernel`"),
        ("conv: {filters: 8, kernel:3}", "put a space after `:`, as in `kernel: 3`"),
        ("conv:\n    filters:8\n    kernel:3", "put a space after each `:`"),
        ("conv: {filters: ${in_channels}, kernel: 3}", "write `$in_channels`"),
        ("conv: {filters: ${2 * n}, kernel: 3}", "write `$(2 * n)`"),
        ("conv:\n    filters: ${w}\n    kernel: 3", "write `$w`"),
        ("max_pool: {pool_size: 2}", "did you mean `kernel`?"),
        ("conv: {filters: 8, kernel_size: 3}", "did you mean `kernel`?"),
    ],
)
def test_a_slip_is_one_error_with_the_right_form(item: str, help: str) -> None:
    assert only(f"- {item}\n")["help"] == help


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("fc", "dense"),
        ("nn.Linear", "dense"),
        ("Dense", "dense"),
        ("GlobalAveragePooling2D", "global_avg_pool"),
        ("AdaptiveAvgPool2d", "adaptive_avg_pool"),
        ("GlobalMaxPooling1D", "global_max_pool"),
        ("UpSampling2D", "upsample"),
        ("F.interpolate", "upsample"),
        ("ZeroPadding2D", "pad"),
        ("nn.ReflectionPad2d", "pad"),
        ("Cropping2D", "crop"),
        ("nn.PixelShuffle", "pixel_shuffle"),
        ("Unflatten", "reshape"),
        ("Conv2D", "conv"),
        ("conv2d", "conv"),
        ("Conv1d", "conv"),
        ("MaxPool2d", "max_pool"),
        ("MaxPooling2D", "max_pool"),
        ("BatchNorm2d", "batch_norm"),
        ("bn", "batch_norm"),
        ("ReLU", "relu"),
        ("ReLU6", "relu6"),
        ("nn.PReLU", "prelu"),
        ("Hardswish", "hard_swish"),
        ("swish", "silu"),
        ("StochasticDepth", "drop_path"),
        ("nn.Dropout", "dropout"),
        ("nn.Dropout2d", "spatial_dropout"),
        ("SpatialDropout2D", "spatial_dropout"),
        ("nn.LSTM", "lstm"),
        ("nn.GRU", "gru"),
        ("nn.Embedding", "embedding"),
        ("nn.MultiheadAttention", "attention"),
        ("MultiHeadAttention", "attention"),
    ],
)
def test_an_operation_is_known_by_its_names_elsewhere(name: str, meant: str) -> None:
    assert (
        operation_help(name, [*OPERATIONS, *CONTAINERS]) == f"did you mean `{meant}`?"
    )


@pytest.mark.parametrize("name", ["SimpleRNN", "CELU", "Softsign"])
def test_another_operation_is_no_remedy_for_one_that_does_not_exist(name: str) -> None:
    help = operation_help(name, [*OPERATIONS, *CONTAINERS])
    assert help.startswith("this version does not support it")


@pytest.mark.parametrize("name", [*OPERATIONS, *CONTAINERS])
def test_what_exists_is_not_called_absent(name: str) -> None:
    assert not is_absent(name)


def test_an_operation_without_its_colon_or_its_axes_is_still_found() -> None:
    assert operation_help("depthwise_conv2d", OPERATIONS).endswith("`depthwise_conv`?")
    assert operation_help("zebra", OPERATIONS).startswith(
        "`cnnspec explain operations`"
    )


@pytest.mark.parametrize(
    ("section", "help"),
    [
        ("{optimizer: {adam: {lr: 0.1}}}", "did you mean `learning_rate`?"),
        (
            "{lr: 0.1}",
            "it belongs inside the optimizer: `optimizer: {sgd: {learning_rate: …}}`",
        ),
        (
            "{beta1: 0.9}",
            "it belongs inside the optimizer: `optimizer: {adam: {beta1: …}}`",
        ),
        (
            "{milestones: [3]}",
            "it belongs inside the schedule: `schedule: {step: {milestones: …}}`",
        ),
        ("{schedule: {step: {milestones: [3], gamma: 0.5}}}", "did you mean `factor`?"),
        (
            "{schedule: step}",
            "write `schedule: {step: {milestones: [30, 60]}}`",
        ),
    ],
)
def test_what_belongs_to_the_optimizer_or_the_schedule_is_led_there(
    section: str, help: str
) -> None:
    layers = "layers:\n  - flatten\n  - dense: {units: 3}\n"
    assert only(f"{layers}train: {section}\n")["help"] == help


@pytest.mark.parametrize(
    ("definitions", "help"),
    [
        ("{unit: {args: [width], layers: [relu]}}", "write `args: {width: ~}`"),
        (
            "[{name: unit, layers: [relu]}]",
            "write `blocks: {unit: {layers: […]}}`",
        ),
        ("[unit: {layers: [relu]}]", "write `blocks: {unit: {layers: […]}}`"),
    ],
)
def test_a_list_in_the_place_of_a_mapping_is_rewritten(
    definitions: str, help: str
) -> None:
    found = only(f"blocks: {definitions}\nlayers:\n  - unit: {{width: 3}}\n")
    assert found["help"] == help


def test_a_single_input_under_inputs_is_one_error() -> None:
    found = only("inputs: {channels: 3, height: 8, width: 8}\nlayers: [relu]\n")
    assert found["message"] == "a single input stands under `input`"


def test_a_mistake_that_came_by_set_says_so() -> None:
    text = "vars: {classes: 10}\nlayers:\n  - flatten\n  - dense: {units: $classes}\n"
    found = only(text, "--set", "classes=-1")
    assert found["notes"][-1] == "`--set classes=-1` gives `classes` its value"
    found = only(text.replace("$classes", "0"), "--set", "classes=3")
    assert "--set" not in str(found["notes"])


@pytest.mark.parametrize("part", ["args: {unit: 3}", "let: {unit: 3}"])
def test_a_value_that_would_hide_a_block_is_refused(part: str) -> None:
    blocks = (
        f"blocks:\n  other: {{{part}, layers: [unit]}}\n  unit: {{layers: [relu]}}\n"
    )
    found = only(f"{blocks}layers: [other]\n")
    assert (found["code"], found["message"]) == ("CS214", "`unit` is a block already")


@pytest.mark.parametrize(
    ("value", "gets"),
    [("[a]", "gets a list"), ("{a: 1}", "gets a mapping"), ("~", "gets nothing")],
)
def test_a_name_that_is_no_text_is_told_by_its_kind(value: str, gets: str) -> None:
    found = only(f"layers:\n  - relu:\n    name: {value}\n")
    assert found["code"] == "CS111"
    assert found["notes"] == [gets]


def test_what_an_allowance_silences_is_not_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[object] = []
    monkeypatch.setattr("cnnspec.remedies.offer", lambda *args: tried.append(args))
    pool = "- max_pool: {kernel: 3, stride: 2}"
    assert check(f"{pool}\n")["diagnostics"]
    assert len(tried) == 1
    assert check(f"{pool}  # cnnspec: allow CS401 -- so be it\n")["ok"]
    assert len(tried) == 1


def test_a_layer_without_a_shape_has_no_receptive_field() -> None:
    (layer,) = check("- conv: {filters: 4, kernel: 9}\n")["layers"]
    assert layer["outputs"] == [None]
    assert layer["receptive_field"] is None
    (residual,) = check("- residual: {body: []}\n")["layers"]
    assert residual["receptive_field"] == {"size": 1, "stride": 1}
