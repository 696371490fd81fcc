"""The memory of training against PyTorch: what autograd keeps, and a step's fullest moment."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from cnnspec.cli import cli
from cnnspec.compile import Checked, check_file
from cnnspec.emit.build import model_text
from cnnspec.fields import EDGES
from cnnspec.layers import OPERATIONS
from cnnspec.memory import PRECISIONS, memory_json, training_memory
from cnnspec.names import camel
from cnnspec.optimizers import Adam, Sgd
from cnnspec.shapes import TOKENS
from tests.parity.harness import check_text

SPECS = Path(__file__).parents[1] / "specs"
# The figures of docs/memory.md: batch size, MiB that autograd keeps, MiB at the fullest moment.
MEASURED = {
    ("lenet5_modern", 64): (2.23, 4.40),
    ("resnet18", 32): (677.03, 816.79),
    ("resnet18", 256): (5416.02, 5597.35),
    ("vgg16", 32): (2235.68, 3819.18),
}
BOUND = 0.01
BATCH = 16
MIB = 2**20


def build(checked: Checked, device: str = "meta") -> torch.nn.Module:
    """The generated model; on the device `meta` without numbers."""
    assert checked.spec is not None
    module: dict[str, Any] = {}
    exec(model_text(checked, "pytorch", None), module)
    with torch.device(device):
        model: torch.nn.Module = module[camel(checked.spec.name)]()
    return model.train()


def batch_of(checked: Checked, size: int, device: str = "meta") -> list[torch.Tensor]:
    graph = checked.graph
    assert graph is not None
    shapes = [graph.shape(edge) for edge in graph.inputs.values()]
    return [
        torch.zeros(
            (size, *shape.sizes),
            dtype=torch.long if shape.layout == TOKENS else torch.float32,
            device=device,
        )
        for shape in shapes
        if shape is not None
    ]


def loss_of(model: torch.nn.Module, inputs: list[torch.Tensor]) -> torch.Tensor:
    wanted = torch.zeros(len(inputs[0]), dtype=torch.long, device="meta")
    return F.cross_entropy(model(*inputs), wanted)


def kept(
    checked: Checked, run: Callable[..., object], size: int, device: str = "meta"
) -> int:
    """Bytes that autograd keeps, weights aside; what shares memory counts once."""
    model, found = build(checked, device), {}
    own = [t.untyped_storage() for t in [*model.parameters(), *model.buffers()]]
    addresses = {storage._cdata for storage in own}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in addresses:
            found[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        run(model, batch_of(checked, size, device))
    return sum(storage.nbytes() for storage in found.values())


class Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all tensors that live, and the most there were."""

    most: int

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.living: dict[int, int] = {}
        self.most = 0

    def watch(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.living:
            self.living[storage._cdata] = storage.nbytes()
            self.most = max(self.most, sum(self.living.values()))
            weakref.finalize(storage, self.living.pop, storage._cdata)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor):
                self.watch(value)
        return result


def fullest(checked: Checked, size: int) -> int:
    """Bytes at the fullest moment of a second step, as the generated train.py makes it."""
    model = build(checked)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    peak = Peak()
    with peak:
        for tensor in [*model.parameters(), *model.buffers()]:
            peak.watch(tensor)
        for _ in range(2):
            inputs = batch_of(checked, size)
            peak.most = 0
            loss = loss_of(model, inputs)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return peak.most


@pytest.mark.parametrize(("name", "size"), MEASURED)
def test_the_memory_is_what_pytorch_takes(name: str, size: int) -> None:
    checked = check_file(str(SPECS / f"{name}.yaml"), {})
    found = memory_json(checked, size, "float32")
    assert found is not None
    assert found["optimizer"] == "sgd"
    measured = kept(checked, loss_of, size), fullest(checked, size)
    for ours, theirs, figure in zip(
        (found["activations"], found["total"]),
        measured,
        MEASURED[name, size],
        strict=True,
    ):
        assert ours == pytest.approx(theirs, rel=BOUND)
        assert theirs / MIB == pytest.approx(figure, abs=0.005)


INPUTS: list[tuple[dict[str, int], list[Any]]] = [
    (
        {"channels": 4, "height": 10, "width": 12},
        [{"conv": {"filters": 8, "kernel": 1}}],
    ),
    ({"channels": 4, "length": 24}, [{"conv": {"filters": 8, "kernel": 1}}]),
    ({"features": 12}, [{"dense": {"units": 8}}]),
    ({"length": 10, "features": 12}, [{"dense": {"units": 8}}]),
    ({"length": 10, "vocabulary": 7}, []),
]
# Fields whose first sample fits none of these inputs.
GIVEN: dict[str, dict[str, Any]] = {
    "adaptive_avg_pool": {"size": 2},  # 1 is a plain mean
    "crop": {"cropping": 1},
    "reshape": {"length": 4, "features": -1},
    "split": {"into": ["left", "right"]},
    "upsample": {"scale": 2},
}
AFTER: dict[str, list[Any]] = {"split": [{"concat": {"with": ["right"]}}]}
# PyTorch has a byte of mask per number on a GPU, four on the CPU where this runs.
MASKED = {"dropout"}
# Mean and deviation of each channel, once per batch.
PER_BATCH = {"batch_norm"}
# Only with numbers PyTorch takes the way that computes attention weights again.
DEVICES = {"attention": "cpu"}
# Fields that change what is kept: these operations are tried with them, too.
MORE: dict[str, dict[str, Any]] = {
    "attention": {"heads": 4},
    "gru": {"units": 3, "bidirectional": True, "sequence": True},
    "lstm": {"units": 3, "bidirectional": True, "sequence": True},
    "radial_basis": {"units": 5, "negative": True},
}


def alone(op: str) -> Iterator[Checked]:
    """The operation after a layer that learns, on each kind of input that it takes."""
    fields = OPERATIONS[op].fields
    given: dict[str, Any] = {
        name: field.samples()[0]
        for name, field in fields.items()
        if field.required and not isinstance(field, EDGES)
    } | GIVEN.get(op, {})
    tried = [given, given | MORE[op]] if op in MORE else [given]
    for (sizes, first), given in product(INPUTS, tried):
        before = [{**layer, "name": "first"} for layer in first]
        if "with" in fields:
            before += [{**layer, "name": "second"} for layer in first]
            given["with"] = ["first"]
        layers = [*before, {op: given}, *AFTER.get(op, [])]
        spec = {"cnnspec": 1, "name": "net", "input": sizes, "layers": layers}
        try:
            yield check_text(json.dumps(spec))
        except AssertionError:  # refused
            continue


@pytest.mark.parametrize("op", sorted(OPERATIONS))
def test_an_operation_keeps_what_autograd_keeps(op: str) -> None:
    tried = 0
    for checked in alone(op):
        tried += 1
        graph = checked.graph
        assert graph is not None
        outputs = sum(s.elements for s in graph.layers[-1].outputs if s is not None)
        memory = training_memory(graph, Sgd({}), BATCH, PRECISIONS["float32"])
        # The loss keeps one tensor of the output's size, and there is no loss here.
        declared = memory.activations - 4 * outputs * BATCH
        measured = kept(
            checked,
            lambda model, inputs: model(*inputs),
            BATCH,
            DEVICES.get(op, "meta"),
        )
        if op in MASKED:
            measured -= 3 * outputs * BATCH
        if op in PER_BATCH:
            measured -= 2 * 4 * (graph.layers[-1].params // 2)
        assert declared == measured, checked.source.text
    assert tried


NET = """
cnnspec: 1
name: net
input: {features: 10}
layers:
  - relu
  - dense: {units: 20, activation: relu}
  - dense: {units: 5}
"""


def memory_of(text: str, *args: str) -> Any:
    command = ["check", "-", "--format", "json", *args]
    result = CliRunner().invoke(cli, command, input=text)
    return json.loads(result.output)["specs"][0].get("memory", "absent")


def test_by_hand() -> None:
    """The relu learns nothing, so that it keeps nothing; each dense layer keeps its input."""
    params = 10 * 20 + 20 + 20 * 5 + 5
    found = memory_of(NET, "--batch-size", "3")
    assert found["weights"] == found["gradients"] == 4 * params
    assert found["optimizer"] == "adam"
    assert found["optimizer_state"] == 2 * 4 * params
    assert found["activations"] == 3 * 4 * (10 + 20 + 5)
    terms = ("weights", "gradients", "optimizer_state", "activations", "working")
    assert found["total"] == sum(found[term] for term in terms)


def test_precisions_are_bytes_per_number() -> None:
    full, half, mixed = (
        memory_of(NET, "--batch-size", "3", "--precision", p) for p in PRECISIONS
    )
    for term in ("weights", "gradients", "optimizer_state", "activations"):
        assert half[term] * 2 == full[term]
    assert mixed["weights"] * 2 == full["weights"] * 3
    assert mixed["gradients"] == full["gradients"]
    assert mixed["optimizer_state"] == full["optimizer_state"]
    assert mixed["activations"] * 2 == full["activations"]


def test_frozen_layers_have_no_gradients() -> None:
    frozen = NET.replace(
        "units: 20, activation: relu}", "units: 20}\n    trainable: false"
    )
    found = memory_of(frozen, "--batch-size", "3")
    assert found["gradients"] == 4 * (20 * 5 + 5)
    assert found["weights"] == 4 * (10 * 20 + 20 + 20 * 5 + 5)
    assert found["activations"] == 3 * 4 * (20 + 5)


def test_an_optimizer_remembers_its_moments() -> None:
    assert Sgd({}).moments == 0
    assert Sgd({"momentum": 0.9}).moments == 1
    assert Adam({}).moments == 2


def test_memory_is_there_only_where_it_is_asked_for() -> None:
    assert memory_of(NET) == "absent"
    assert memory_of(NET.replace("relu\n", "rule\n", 1), "--batch-size", "3") is None
    alone = CliRunner().invoke(cli, ["check", "-", "--precision", "float32"], input=NET)
    assert alone.exit_code == 2
    assert "--precision goes with --batch-size" in alone.output
    none = CliRunner().invoke(cli, ["check", "-", "--batch-size", "0"], input=NET)
    assert none.exit_code == 2


def test_a_person_reads_the_total_and_its_terms() -> None:
    path = str(SPECS / "lenet5_modern.yaml")
    text = CliRunner().invoke(cli, ["check", path, "--batch-size", "64"]).output
    assert (
        "training             4.4 MiB  at the fullest moment of a step, batches of 64, "
        "float32, sgd\n" in text
    )
    assert "  optimizer state  241.0 KiB  beside each weight that learns\n" in text
