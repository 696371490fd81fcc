"""Faults that a script plants in copies of emitted programs: `verify` names the layer of each."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnspec.emit.build import watched_model_text
from tests.planted.faults import Fault, draw_faults, faults_of
from tests.planted.networks import OPS, PLANTED, Network, draw_network
from tests.planted.trial import TARGETS, Bench, Verdict

SEED = 5
COUNT = 32  # faults; a few of them change nothing that a model makes

Trial = tuple[Network, Fault, Verdict]


def plant(count: int, source: random.Random) -> Iterator[tuple[Network, Fault]]:
    """A fault in each of so many operations, the targets in turn."""
    for number, op in enumerate(source.sample(OPS, count)):
        network = draw_network(op, source)
        target = TARGETS[number % len(TARGETS)]
        watched = watched_model_text(network.checked, "cross_entropy")
        faults = faults_of(target, network.files[target]["model.py"], watched)
        for fault in draw_faults(faults, source, 1):
            yield network, fault


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    with Bench() as bench:
        return [
            (network, fault, bench.try_fault(network, fault.target, fault.text))
            for network, fault in plant(COUNT, random.Random(SEED))
        ]


def test_the_layer_of_each_fault_is_named(trials: list[Trial]) -> None:
    for network, fault, found in trials:
        told = f"{fault.was}\n{fault.now}\n{found}\n{network.text}"
        assert found.outcome not in ("misnamed", "missed"), told


def test_most_faults_do_something_and_are_of_many_kinds(trials: list[Trial]) -> None:
    named = [(network, fault) for network, fault, v in trials if v.outcome == "named"]
    assert len(named) >= 20
    assert len({network.op for network, _ in named}) >= 20
    assert len({fault.kind for _, fault in named}) >= 6
    assert {fault.target for _, fault in named} == set(TARGETS)


def test_what_can_not_be_run_is_told_with_its_line(trials: list[Trial]) -> None:
    for _, _, found in trials:
        if found.outcome == "no program":
            assert "(model.py:" in found.said


def run_verify(
    folder: Path, network: Network, target: str, files: dict[str, str]
) -> tuple[int, dict[str, object], int]:
    """The command on a program with other files: its status, first difference, their number."""
    edited = folder / "edited"
    edited.mkdir()
    for name, text in {**network.files[target], **files}.items():
        (edited / name).write_text(text)
    (folder / "spec.yaml").write_text(network.text)
    command = [sys.executable, "-m", "cnnspec", "verify", "spec.yaml", "--steps", "2"]
    done = subprocess.run(
        [*command, "--format", "json", f"--{target}", "edited"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    return done.returncode, found["differences"][0], len(found["differences"])


def test_the_command_names_the_layer_and_its_line(
    trials: list[Trial], tmp_path: Path
) -> None:
    named = [trial for trial in trials if trial[2].outcome == "named"]
    network, fault, verdict = random.Random(SEED).choice(named)
    status, first, _ = run_verify(
        tmp_path, network, fault.target, {"model.py": fault.text}
    )
    assert status == 1
    assert str(first["layer"]).split(".")[0] == PLANTED and first["line"] == 1
    assert first["cause"] == verdict.cause and first["stage"] == verdict.stage


def settings_of(train: str) -> list[str]:
    """The optimizer's numbers in a program: those that `make_optimizer` reads."""
    tree = ast.parse(train)
    (function,) = (
        item
        for item in tree.body
        if isinstance(item, ast.FunctionDef) and item.name == "make_optimizer"
    )
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return [
        item.targets[0].id
        for item in tree.body
        if isinstance(item, ast.Assign)
        and isinstance(item.targets[0], ast.Name)
        and isinstance(item.value, ast.Constant)
        and type(item.value.value) is float
        and item.targets[0].id in read
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_a_setting_of_the_optimizer_is_no_layers_fault(
    target: str, tmp_path: Path
) -> None:
    source = random.Random(f"{SEED} {target}")
    network = draw_network("gelu", source)
    train = network.files[target]["train.py"]
    name = source.choice(settings_of(train))
    lines = [
        f"{name} = 0.02" if line.startswith(f"{name} = ") else line
        for line in train.splitlines()
    ]
    status, first, _ = run_verify(
        tmp_path, network, target, {"train.py": "\n".join(lines)}
    )
    assert status == 1 and first["layer"] == "" and first["stage"] == "weights"
    assert str(first["message"]).endswith("it is the optimizer's step")
