"""Optimizers, schedules and clipping: both programs do what the guide's formulas say.

Each case is trained for 20 steps by both programs, in float64 and with constants that are first
rounded to float32, and by the formulas, written out here. The last batch of an epoch is smaller.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch.nn import functional as F

from cnnspec.compile import Checked, check_source
from cnnspec.diagnostics import Bag
from cnnspec.emit.program import program_files
from cnnspec.fields import Declared
from cnnspec.graph import Graph
from cnnspec.one_of import required
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.schedules import SCHEDULES
from cnnspec.source import SourceFile
from cnnspec.training import Train, read_training
from cnnspec.verify.loading import rounded
from cnnspec.weights.layout import state_shapes, to_keras, to_pytorch
from tests.programs import ROOT, TARGETS, metrics

EPOCHS, BATCH = 4, 8
SAMPLES = 44  # of which 35 are trained on, in 5 steps
HEAD = f"""
cnnspec: 1
name: tiny
input: {{channels: 2, height: 6, width: 6}}
data: {{source: arrays, path: data.npz, batch_size: {BATCH}}}
"""
LAYERS = """layers:
  - conv: {filters: 3, kernel: 3, bias: false}
  - batch_norm
  - tanh
  - flatten
  - dense: {units: 3}
"""
HEADS = """layers:
  - conv: {filters: 3, kernel: 3, activation: tanh}
  - head: {name: early, serve: SERVE, layers: [flatten, dense: {units: 3}]}
  - flatten
  - dense: {units: 3}
"""
AUTOENCODER = """layers:
  - conv: {filters: 3, kernel: 3, padding: same, activation: tanh}
  - conv: {filters: 2, kernel: 3, padding: same}
"""
LIMIT = 1e-9  # of a tensor's largest value

Fields = dict[str, Any]
Tensors = dict[str, torch.Tensor]


class Case(NamedTuple):
    """What stands under `train`, and what is trained on how many samples."""

    name: str
    train: Fields
    samples: int = SAMPLES
    layers: str = LAYERS


def off_default(cls: type[Declared]) -> Iterator[tuple[str, Any]]:
    """Each field with each sample that is not its default."""
    for name, field in cls.fields.items():
        for value in field.samples():
            if value != field.default:
                yield name, value


def needed(cls: type[Declared]) -> Fields:
    return {name: cls.fields[name].samples()[0] for name in required(cls)}


def all_off_default(cls: type[Declared]) -> Fields:
    """Every field with its first sample that is not its default."""
    return dict(reversed(list(off_default(cls))))


def cases() -> Iterator[Case]:
    sgd = {"sgd": {"learning_rate": 0.1, "momentum": 0.9}}
    warm = {"warmup": 0.5, "warmup_from": 0.1}
    for kind, cls in OPTIMIZERS.items():
        yield Case(kind, {"optimizer": kind})
        for name, value in off_default(cls):
            beside = {"momentum": 0.5} if name == "nesterov" else {}
            fields = {**beside, name: value}
            yield Case(f"{kind} {name} {value}", {"optimizer": {kind: fields}})
        whole = {"optimizer": {kind: all_off_default(cls)}}
        yield Case(f"{kind} clipped", {**whole, "clip_norm": 0.5})
        yield Case(f"{kind} cosine", {**whole, "schedule": "cosine", **warm})
    for kind, cls in SCHEDULES.items():
        train = {"optimizer": sgd, "schedule": {kind: needed(cls)}}
        yield Case(kind, train)
        yield Case(f"{kind} warmed up", {**train, **warm})
        for name, value in off_default(cls):
            schedule = {kind: {**needed(cls), name: value}}
            train = {"optimizer": sgd, "schedule": schedule, **warm}
            yield Case(f"{kind} {name} {value}", train)
    for name, value in off_default(Train):
        if name in ("warmup", "clip_norm"):
            yield Case(f"{name} {value}", {"optimizer": sgd, name: value})
    step = {"step": {"milestones": [1, 2]}}
    # 33 are trained on, and batch norm takes no batch of one: an epoch has 4 steps.
    yield Case("a last sample left out", {"optimizer": sgd, "schedule": step}, 41)
    fields = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    train = {"optimizer": {"sgd": fields}, "schedule": "cosine", "clip_norm": 0.5}
    for serve in ("true", "false"):
        layers = HEADS.replace("SERVE", serve)
        yield Case(f"a head, serve {serve}", train, layers=layers)
    train = {**train, **warm, "target": "input"}
    yield Case("an autoencoder", train, layers=AUTOENCODER)


CASES = {case.name: case for case in cases()}


def checked(case: Case) -> Checked:
    train = json.dumps({"epochs": EPOCHS, **case.train})
    text = f"{HEAD}{case.layers}train: {train}\n"
    found = check_source(SourceFile("spec.yaml", text), {})
    assert not found.has_errors, found.diagnostics
    return found


def samples(case: Case) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(case.samples, 6, 6, 2)).astype(np.float32)
    return {"x": x, "y": draw.integers(0, 3, len(x))}


def first_weights(graph: Graph) -> dict[str, np.ndarray]:
    """Random where they are drawn, else ones and zeros, by PyTorch's names."""
    draw = np.random.default_rng(2)
    ones = ("batch_norm.weight", "batch_norm.running_var")
    found = {}
    for name, shape in state_shapes(graph).items():
        found[name] = np.full(shape, float(name in ones))
        if len(shape) > 1:
            found[name] = draw.normal(0, 0.3, shape)
    return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder TARGET/NUMBER for each case; each program has been trained."""
    root = tmp_path_factory.mktemp("steps")
    for target in TARGETS:
        for number, case in enumerate(CASES.values()):
            folder = root / target / str(number)
            folder.mkdir(parents=True)
            spec = checked(case)
            for name, text in program_files(spec, target, {}).items():
                (folder / name).write_text(text, encoding="utf-8")
            np.savez(folder / "data.npz", **samples(case))
            assert spec.graph is not None
            weights = first_weights(spec.graph)
            if target == "keras":
                weights = to_keras(spec.graph, weights)
            whole = {n: np.ascontiguousarray(array) for n, array in weights.items()}
            save_file(whole, folder / "first.safetensors")
        side = Path(__file__).with_name("float64_side.py")
        folders = map(str, (root / target / str(n) for n in range(len(CASES))))
        done = subprocess.run(
            [sys.executable, side, target, *folders],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        (root / f"{target}.txt").write_text(done.stdout)
    return root


def last_weights(programs: Path, target: str, name: str) -> dict[str, np.ndarray]:
    """By PyTorch's names; but for running variances, of which each has its own estimate."""
    folder = programs / target / str(list(CASES).index(name))
    found = load_file(folder / "run" / "last.safetensors")
    if target == "keras":
        graph = checked(CASES[name]).graph
        assert graph is not None
        found = to_pytorch(graph, found)
    return {n: a for n, a in found.items() if a.ndim and "running_var" not in n}


def assert_same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> None:
    """Relative to a tensor's largest value; what starts at zero has only its updates."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype == np.float64, name
        gap = np.abs(value - other[name]).max() / np.abs(value).max()
        assert gap <= LIMIT, (name, gap)


@pytest.mark.parametrize("name", CASES)
def test_both_programs_take_the_same_steps(name: str, programs: Path) -> None:
    pytorch, keras = (last_weights(programs, target, name) for target in TARGETS)
    assert_same(pytorch, keras)
    for one, other in zip(*(history(programs, t, name) for t in TARGETS), strict=True):
        assert one.keys() == other.keys()
        assert [*one.values()] == pytest.approx([*other.values()], rel=LIMIT)


def history(programs: Path, target: str, name: str) -> list[dict[str, float]]:
    """metrics.csv without the validation, which depends on running variances."""
    rows = metrics(programs / target / str(list(CASES).index(name)) / "run")
    return [{k: v for k, v in row.items() if "val_" not in k} for row in rows]


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n].layers == LAYERS])
def test_a_program_takes_the_steps_of_the_formulas(name: str, programs: Path) -> None:
    expected, rates = by_formula(CASES[name])
    found = last_weights(programs, "pytorch", name)
    del found["batch_norm.running_mean"]
    assert_same({n: w.detach().numpy() for n, w in expected.items()}, found)
    rows = history(programs, "pytorch", name)
    if "learning_rate" in rows[0]:
        steps = len(rates) // EPOCHS
        last = rates[steps - 1 :: steps]
        assert [row["learning_rate"] for row in rows] == pytest.approx(last, rel=1e-12)
    else:
        assert len(set(rates)) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_a_rate_that_changes_is_printed(target: str, programs: Path) -> None:
    printed = (programs / f"{target}.txt").read_text().splitlines()
    changing = [
        case for case in CASES.values() if {"schedule", "warmup"} & {*case.train}
    ]
    lines = [line for line in printed if "  learning rate 0." in line]
    assert len(lines) == EPOCHS * len(changing)


def by_formula(case: Case) -> tuple[Tensors, list[float]]:
    """The weights after all steps as the guide says them, and the rate of each step."""
    spec = checked(case)
    assert spec.spec is not None and spec.graph is not None
    settings = read_training(spec.spec, spec.graph, Bag()).train
    assert settings is not None
    weights = {
        name: torch.tensor(array, requires_grad=True)
        for name, array in first_weights(spec.graph).items()
        if "running" not in name
    }
    formulas, rates = Formulas(settings), []
    batches = drawn_batches(case, spec)
    for number, (x, y) in enumerate(batches):
        loss = F.cross_entropy(network(weights, x), y)
        gradients = torch.autograd.grad(loss, list(weights.values()))
        rates.append(rate_at(settings, number * EPOCHS / len(batches)))
        formulas.take(weights, gradients, rates[-1])
    return weights, rates


def drawn_batches(case: Case, spec: Checked) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """All of training, in the order in which data.py shuffles it."""
    data = ModuleType("data")
    exec(program_files(spec, "pytorch", {})["data.py"], vars(data))
    arrays = samples(case)
    x = torch.from_numpy(arrays["x"].astype(np.float64)).permute(0, 3, 1, 2)
    y = torch.from_numpy(arrays["y"])
    chosen, _ = data.split(len(x), 0)
    groups = []
    for epoch in range(1, EPOCHS + 1):
        groups += torch.from_numpy(data.shuffle(chosen, 0, epoch)).split(BATCH)
    return [(x[group], y[group]) for group in groups if len(group) > 1]


def network(weights: Tensors, x: torch.Tensor) -> torch.Tensor:
    """(N, 2, 6, 6) -> (N, 3)."""
    x = F.conv2d(x, weights["conv.weight"])
    scale, shift = weights["batch_norm.weight"], weights["batch_norm.bias"]
    x = F.batch_norm(x, None, None, scale, shift, training=True)
    return F.linear(x.tanh().flatten(1), weights["dense.weight"], weights["dense.bias"])


def single(value: float) -> float:
    """The constants of a program in float32; whole numbers stay."""
    return rounded(value) if isinstance(value, float) else value


def rate_at(train: Train, epoch: float) -> float:
    """The table under "The learning rate" in docs/training.md."""
    rate = rounded(float(train.optimizer.learning_rate))
    warmup, schedule = single(train.warmup), train.schedule
    if epoch < warmup:
        begin = rounded(float(train.warmup_from))
        return rate * (begin + (1 - begin) * epoch / warmup)
    if schedule is None:
        return rate
    its = schedule.values
    if schedule.kind == "step":
        passed = [m for m in its["milestones"] if m <= epoch]
        return rate * rounded(its["factor"]) ** len(passed)
    if schedule.kind == "exponential":
        return rate * rounded(its["factor"]) ** ((epoch - warmup) // its["every"])
    done = (epoch - warmup) / (EPOCHS - warmup)
    final = rounded(its["final_rate"])
    if schedule.kind == "cosine":
        return final + (rate - final) * (1 + math.cos(math.pi * done)) / 2
    assert schedule.kind == "polynomial"
    return final + (rate - final) * (1 - done) ** rounded(float(its["power"]))


class Formulas:
    """The formulas of the optimizers in docs/training.md, parameter by parameter."""

    def __init__(self, train: Train) -> None:
        self.kind = train.optimizer.kind
        self.values = {k: rounded(float(v)) for k, v in train.optimizer.values.items()}
        self.clip_norm = train.clip_norm and rounded(float(train.clip_norm))
        self.state: dict[str, list[torch.Tensor]] = {}
        self.t = 0

    def take(
        self, weights: Tensors, gradients: tuple[torch.Tensor, ...], rate: float
    ) -> None:
        self.t += 1
        if self.clip_norm:
            length = math.sqrt(sum(g.square().sum().item() for g in gradients))
            shrunk = min(1, self.clip_norm / (length + 1e-6))
            gradients = tuple(g * shrunk for g in gradients)
        update = getattr(self, self.kind)
        for (name, w), g in zip(weights.items(), gradients, strict=True):
            decay = self.values["weight_decay"]
            state = self.state.setdefault(name, [torch.zeros_like(g)] * 2)
            with torch.no_grad():
                if self.kind == "adamw":
                    w *= 1 - rate * decay
                else:
                    g = g + decay * w
                w -= rate * update(g, state)

    def sgd(self, g: torch.Tensor, state: list[torch.Tensor]) -> torch.Tensor:
        state[0] = self.values["momentum"] * state[0] + g
        ahead = g + self.values["momentum"] * state[0]
        return ahead if self.values["nesterov"] else state[0]

    def adam(self, g: torch.Tensor, state: list[torch.Tensor]) -> torch.Tensor:
        beta1, beta2 = self.values["beta1"], self.values["beta2"]
        state[0] = beta1 * state[0] + (1 - beta1) * g
        state[1] = beta2 * state[1] + (1 - beta2) * g**2
        root = (state[1] / (1 - beta2**self.t)).sqrt() + self.values["epsilon"]
        return state[0] / (1 - beta1**self.t) / root

    adamw = adam

    def rmsprop(self, g: torch.Tensor, state: list[torch.Tensor]) -> torch.Tensor:
        decay = self.values["decay"]
        state[0] = decay * state[0] + (1 - decay) * g**2
        step = g / (state[0].sqrt() + self.values["epsilon"])
        state[1] = self.values["momentum"] * state[1] + step
        return state[1]

    def adagrad(self, g: torch.Tensor, state: list[torch.Tensor]) -> torch.Tensor:
        state[0] = state[0] + g**2
        return g / (state[0].sqrt() + self.values["epsilon"])
