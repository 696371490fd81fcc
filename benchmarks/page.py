"""Medians enter; the ratios, their targets and the text of docs/benchmarks.md leave."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from benchmarks.machine import describe_machine

CHECK = "cnnspec check specs/resnet18.yaml"


class Ratio(NamedTuple):
    """A case against its base; `most` is the target, None where there is none."""

    case: str
    base: str
    most: float | None


RATIOS = (
    Ratio(CHECK, "python -c pass", 9),
    Ratio(CHECK, "python -c 'import click, yaml'", 1.8),
    Ratio("10,000 flat layers", "1,000 flat layers", 5),
    Ratio("20,000 flat layers", "10,000 flat layers", 2.3),
    Ratio("torchinfo's summary", CHECK, None),
    Ratio("Keras' summary", CHECK, None),
)

TEXT = """\
# Benchmarks

Written by `make bench` on {date}; not edited by hand.

{machine}

Each figure is the median wall time of {rounds} processes from start to end. All of them ran in turn in one
run, so that whatever else the machine did met them all alike. The times hold for this machine;
the ratios are what is promised.

cnnspec is its wheel, installed by pip into a fresh environment, with bytecode. The flat specs are lines of
convolutions and `relu` in turn. torchinfo summarises torchvision's ResNet-18 at 224x224; Keras summarises
ResNet-18 as cnnspec generates it, because `keras.applications` has none.

| process | ms |
| --- | ---: |
{times}

| process | against | ratio | target |
| --- | --- | ---: | --- |
{ratios}
"""


def value(ratio: Ratio, medians: dict[str, float]) -> float:
    return medians[ratio.case] / medians[ratio.base]


def page(medians: dict[str, float], rounds: int) -> str:
    times = [f"| {name} | {s * 1000:,.1f} |" for name, s in medians.items()]
    ratios = [
        f"| {r.case} | {r.base} | {value(r, medians):.2f} | {target(r, medians)} |"
        for r in RATIOS
    ]
    return TEXT.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine="\n".join(f"- {line}" for line in describe_machine()),
        rounds=rounds,
        times="\n".join(times),
        ratios="\n".join(ratios),
    )


def target(ratio: Ratio, medians: dict[str, float]) -> str:
    if ratio.most is None:
        return ""
    met = "met" if value(ratio, medians) <= ratio.most else "missed"
    return f"at most {ratio.most:g}: {met}"
