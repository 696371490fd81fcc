"""Schedules: what a program says of its learning rate, and PyTorch's own schedulers."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from cnnspec.schedules import SCHEDULES
from tests.programs import TARGETS, files_of

EPOCHS, STEPS, RATE = 12, 5, 0.3
HEAD = (
    "cnnspec: 1\nname: tiny\ninput: {features: 4}\nlayers:\n  - dense: {units: 3}\n"
    f"train:\n  epochs: {EPOCHS}\n  optimizer: {{sgd: {{learning_rate: {RATE}}}}}\n"
)


def program(more: str, target: str = "pytorch") -> str:
    return files_of(f"{HEAD}{more}", target)["train.py"]


def function(text: str) -> Callable[..., float]:
    """`learning_rate_at` of a program, with the constants beside it."""
    kept = [
        node
        for node in ast.parse(text).body
        if (isinstance(node, ast.Assign) and not ast.unparse(node).startswith("OUTPUT"))
        or (isinstance(node, ast.FunctionDef) and node.name == "learning_rate_at")
    ]
    scope: dict[str, Any] = {"math": math}
    exec(compile(ast.Module(kept, []), "train.py", "exec"), scope)
    found: Callable[..., float] = scope["learning_rate_at"]
    return found


def scheduled(
    make: Callable[[torch.optim.Optimizer], Any], each_step: bool
) -> list[float]:
    """The rates of all steps by a scheduler of PyTorch, which is asked each step or epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler, rates = make(optimizer), []
    for step in range(1, EPOCHS * STEPS + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if each_step or step % STEPS == 0:
            scheduler.step()
    return rates


def step(optimizer: torch.optim.Optimizer) -> Any:
    return lr_scheduler.MultiStepLR(optimizer, [4, 9], gamma=0.2)


def exponential(optimizer: torch.optim.Optimizer) -> Any:
    return lr_scheduler.StepLR(optimizer, 2, gamma=0.9)


def cosine(optimizer: torch.optim.Optimizer, steps: int = EPOCHS * STEPS) -> Any:
    return lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=0.01)


def polynomial(optimizer: torch.optim.Optimizer, steps: int = EPOCHS * STEPS) -> Any:
    return lr_scheduler.PolynomialLR(optimizer, steps, power=0.9)


LIKE_PYTORCH = {
    "step": ("schedule: {step: {milestones: [4, 9], factor: 0.2}}", step, False),
    "exponential": (
        "schedule: {exponential: {every: 2, factor: 0.9}}",
        exponential,
        False,
    ),
    "cosine": ("schedule: {cosine: {final_rate: 0.01}}", cosine, True),
    "polynomial": ("schedule: {polynomial: {power: 0.9}}", polynomial, True),
}


def test_every_schedule_has_a_scheduler_of_pytorch_here() -> None:
    assert LIKE_PYTORCH.keys() == SCHEDULES.keys()


@pytest.mark.parametrize("kind", LIKE_PYTORCH)
def test_a_schedule_gives_the_rates_of_pytorchs_own(kind: str) -> None:
    text, make, each_step = LIKE_PYTORCH[kind]
    assert rates(f"  {text}\n") == pytest.approx(scheduled(make, each_step), rel=1e-9)


@pytest.mark.parametrize("kind", ["cosine", "polynomial"])
def test_warm_up_comes_before_the_schedule(kind: str) -> None:
    text, make, _ = LIKE_PYTORCH[kind]
    warmup = 2 * STEPS

    def chained(optimizer: torch.optim.Optimizer) -> Any:
        first = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=warmup)
        rest = make(optimizer, EPOCHS * STEPS - warmup)
        return lr_scheduler.SequentialLR(optimizer, [first, rest], [warmup])

    more = f"  {text}\n  warmup: 2\n  warmup_from: 0.1\n"
    assert rates(more) == pytest.approx(scheduled(chained, True), rel=1e-9)


def rates(more: str) -> list[float]:
    """Of all steps, as a program goes through them."""
    rate_at = function(program(more))
    beside = (EPOCHS,) if "epochs" in rate_at.__annotations__ else ()
    return [rate_at(step / STEPS, *beside) for step in range(EPOCHS * STEPS)]


def test_milestones_count_warm_up_and_exponential_does_not() -> None:
    step = rates("  schedule: {step: {milestones: [4]}}\n  warmup: 2\n")
    assert step[4 * STEPS - 1] == RATE
    assert step[4 * STEPS] == pytest.approx(RATE / 10)
    exponential = rates("  schedule: {exponential: {every: 3}}\n  warmup: 2\n")
    assert exponential[5 * STEPS - 1] == RATE
    assert exponential[5 * STEPS] == pytest.approx(RATE * 0.95)


def test_warm_up_alone_grows_from_nothing_and_stays() -> None:
    found = rates("  warmup: 0.4\n")
    assert found[:3] == [0, RATE / 2, RATE]
    assert set(found[2:]) == {RATE}


def test_both_programs_have_the_same_words_of_the_rate() -> None:
    more = "  schedule: {cosine: {final_rate: 0.01}}\n  warmup: 2\n"
    ends = []
    for target in TARGETS:
        head, _, rest = program(more, target).partition("def learning_rate_at")
        loop = head.partition("    steps = ")[2].partition("]\n")[0]
        constants = [x for x in head.splitlines() if x.startswith(("WARM", "FINAL"))]
        ends.append((loop, constants, rest.partition("\n\n\n")[0]))
    assert ends[0] == ends[1]
    assert "learning_rate_at(step / steps, args.epochs)" in ends[0][0]


@pytest.mark.parametrize("target", TARGETS)
def test_a_program_says_nothing_of_what_its_spec_does_not_have(target: str) -> None:
    text = program("", target)
    for word in ("learning_rate_at", "rates", "WARMUP", "CLIP_NORM", "group[", "scale"):
        assert word not in text
