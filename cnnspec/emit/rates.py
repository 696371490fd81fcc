"""What a spec says of its learning rate enters; the code that follows it leaves, the same in both targets."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.emit.call import (
    Argument,
    Binary,
    Call,
    Comprehension,
    For,
    statement,
)
from cnnspec.emit.quote import literal, number
from cnnspec.schedules import Cosine, Exponential, Polynomial, Schedule, Step
from cnnspec.training import Train


class Rates(NamedTuple):
    """A learning rate that changes.

    Args:
        parameters: of `learning_rate_at`.
        docstring: its own, one line.
        body: its lines.
        rates: the statement that makes the rate of each step.
    """

    parameters: str
    docstring: str
    body: list[str]
    rates: str


def rates_of(train: Train) -> Rates | None:
    """None where it stays."""
    schedule, warmup = train.schedule, train.warmup
    if schedule is None and not warmup:
        return None
    to_the_end = isinstance(schedule, Cosine | Polynomial)
    body = []
    if warmup:
        share = "epoch / WARMUP"
        if train.warmup_from:
            share = "(WARMUP_FROM + (1 - WARMUP_FROM) * epoch / WARMUP)"
        body += ["if epoch < WARMUP:", f"    return LEARNING_RATE * {share}"]
    body += _after_warmup(schedule, bool(warmup))
    args: tuple[Argument, ...] = (Binary("/", ("step", "steps")),)
    words = "after so many epochs, a fraction within one"
    if to_the_end:
        args = (*args, "args.epochs")
        words = "when `epoch` of `epochs` are done, a fraction included"
    every = Call("range", (Binary("*", ("args.epochs", "steps")),))
    made = Comprehension(Call("learning_rate_at", args), (For("step", every),))
    return Rates(
        "epoch: float, epochs: int" if to_the_end else "epoch: float",
        f"The learning rate {words}.",
        body,
        "\n".join(statement("rates = ", made, 4)),
    )


def _after_warmup(schedule: Schedule | None, warmup: bool) -> list[str]:
    if schedule is None:
        return ["return LEARNING_RATE"]
    if isinstance(schedule, Step):
        return ["return LEARNING_RATE * FACTOR ** sum(epoch >= m for m in MILESTONES)"]
    if isinstance(schedule, Exponential):
        done = "(epoch - WARMUP)" if warmup else "epoch"
        return [f"return LEARNING_RATE * FACTOR ** ({done} // EVERY)"]
    done = "(epoch - WARMUP) / (epochs - WARMUP)" if warmup else "epoch / epochs"
    lines = [f"done = {done}"]
    if isinstance(schedule, Cosine):
        lines.append("share = (1 + math.cos(math.pi * done)) / 2")
    elif isinstance(schedule, Polynomial) and schedule.power != 1:
        lines.append("share = (1 - done) ** POWER")
    else:
        lines.append("share = 1 - done")
    if schedule.values["final_rate"]:
        lines.append("return FINAL_RATE + (LEARNING_RATE - FINAL_RATE) * share")
    else:
        lines.append("return LEARNING_RATE * share")
    return lines


def rate_settings(train: Train) -> list[str]:
    """The constants of `learning_rate_at`, beside the learning rate."""
    lines = []
    if train.warmup:
        lines.append(f"WARMUP = {literal(train.warmup)}  # epochs")
    if train.warmup and train.warmup_from:
        first = number(train.warmup_from)
        lines.append(f"WARMUP_FROM = {first}  # of the learning rate")
    for name, value in train.schedule.values.items() if train.schedule else ():
        if name == "milestones":
            numbers = ", ".join(map(str, value)) + ("," if len(value) == 1 else "")
            lines.append(f"MILESTONES = ({numbers})  # epochs")
        elif name == "every":
            lines.append(f"EVERY = {value}  # epochs")
        elif (name, value) not in (("final_rate", 0), ("power", 1)):
            lines.append(f"{name.upper()} = {number(value)}")
    return lines
