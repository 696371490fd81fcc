"""What a message tells a user to write is right: the commands exist, what is offered is taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cnnspec.cli import COMMANDS
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
