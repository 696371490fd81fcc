"""Networks that would hang or crash a naive compiler: each a clear error within a second."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from tests.checking import check

SECONDS = 3.0  # of processor time; about 0.5 where nothing else runs


def chain(length: int, body: str, first: str = "[relu]") -> str:
    """Blocks b0, b1, …, each made of the one before it, which `body` calls BEFORE."""
    bodies = [first, *(body.replace("BEFORE", f"b{i}") for i in range(length - 1))]
    blocks = "".join(f"  b{i}: {{layers: {b}}}\n" for i, b in enumerate(bodies))
    return f"blocks:\n{blocks}layers: [b{length - 1}]\n"


HOSTILE = {
    "a repeat of a billion": ("- relu:\n  repeat: 1000000000\n", "CS221"),
    "repeats in repeats": (
        "- residual:\n    body: [{relu: , repeat: 3000}]\n  repeat: 3000\n",
        "CS221",
    ),
    "empty repeats in repeats": (
        "- residual:\n    connect: false\n    body:\n      - residual: {body: [], connect: false}\n"
        "        repeat: 30000\n  repeat: 30000\n",
        "CS221",
    ),
    "blocks that double 60 times": (chain(61, "[BEFORE, BEFORE]"), "CS221"),
    "empty blocks that double 60 times": (
        chain(61, "[BEFORE, BEFORE]", "[]"),
        "CS221",
    ),
    "2,000 blocks in each other": (chain(2000, "[BEFORE]"), "CS220"),
    "a circle of 2,000 blocks": (
        chain(2000, "[BEFORE]", "[b1999]"),
        "CS219",
    ),
    "a tower of powers": ("- conv: {filters: $(9**9**9), kernel: 3}\n", "CS204"),
    "a division by zero": ("- conv: {filters: $(4 // 0), kernel: 3}\n", "CS204"),
    "a size of 5,000 digits": (
        f"- conv: {{filters: {'9' * 5000}, kernel: 3}}\n",
        "CS025",
    ),
    "a wrong field in 40,000 rounds": (
        "- conv: {filters: $(0 - index), kernel: 3}\n  repeat: 40000\n",
        "CS107",
    ),
    "a misfit in 40,000 rounds": (
        "blocks: {b: {args: {w: ~}, layers: [{conv: {filters: $w, kernel: 30}}]}}\n"
        "layers:\n  - b: {w: 3}\n    repeat: 40000\n",
        "CS301",
    ),
    "a stride of 0": ("- conv: {filters: 2, kernel: 3, stride: 0}\n", "CS107"),
    "negative padding": ("- conv: {filters: 2, kernel: 3, padding: -1}\n", "CS107"),
    "a fraction of a pixel": ("- conv: {filters: 2, kernel: 1.5}\n", "CS107"),
    "groups that do not divide": (
        "- conv: {filters: 4, kernel: 3, groups: 3}\n",
        "CS305",
    ),
    "a window in a huge dilation": (
        f"- conv: {{filters: 1, kernel: 3, dilation: {10**18}, padding: {10**17}}}\n",
        "CS301",
    ),
}


@pytest.fixture(autouse=True)
def _without_collection() -> Iterator[None]:
    """As the command line runs: what the tests before left behind is not walked again."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("text", "code"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_network_is_one_error_in_time(text: str, code: str) -> None:
    start = time.process_time()
    found = check(text)["diagnostics"]
    assert time.process_time() - start < SECONDS
    assert code in [d["code"] for d in found]
    assert len(found) <= 2, [d["message"] for d in found]


def test_huge_sizes_are_exact() -> None:
    big = 10**18
    found = check(
        f"input: {{channels: {big}, height: {big}, width: {big}}}\n"
        f"layers: [flatten, {{dense: {{units: {big}}}}}]\n"
    )
    assert found["ok"]
    assert found["outputs"] == {"output": [big]}
    assert found["totals"]["macs"] == big**4
    assert found["totals"]["params"] == big**4 + big


def test_unmergeable_branches_show_both_shapes_and_both_places() -> None:
    (found,) = check(
        """
        - parallel:
            branches:
              - - conv: {filters: 4, kernel: 3}
              - - relu
        """
    )["diagnostics"]
    assert found["code"] == "CS306"
    places = {(label["line"], label["message"]) for label in found["related"]}
    assert places == {(7, "gives 4x6x6"), (8, "gives 4x8x8")}
