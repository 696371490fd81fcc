"""The shipped specs: published figures, and their generated models in both frameworks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torchvision
import yaml

from cnnspec.compile import check_file
from cnnspec.emit.build import model_text
from tests.commands import check_json
from tests.parity.harness import (
    Outcome,
    assert_same_network,
    assert_same_sizes,
    run_both,
)

ROOT = Path(__file__).parent.parent
FACTS = {
    row["name"]: row
    for row in yaml.safe_load((ROOT / "tests/facts/networks.yaml").read_text())
}
# What is run: full size where that takes a second, else the smallest that goes through.
RUNS: dict[str, tuple[str, dict[str, int]]] = {
    "linear_classifier": ("linear_classifier", {}),
    "mit_6s191": ("mit_6s191", {}),
    "lenet5_modern": ("lenet5_modern", {}),
    "lenet5": ("lenet5", {}),
    "x_or_o": ("x_or_o", {}),
    "x_or_o_filters": ("x_or_o_filters", {}),
    "edge_filters_at_9x11": ("edge_filters", {"height": 9, "width": 11}),
    "vgg16_at_32": ("vgg16", {"size": 32, "classes": 10}),
    "vgg11_at_32": ("vgg11", {"size": 32, "classes": 10}),
    "alexnet_at_67": ("alexnet", {"size": 67, "classes": 10}),
    "zfnet_at_100": ("zfnet", {"size": 100, "classes": 10}),
    "resnet18_at_61": ("resnet18", {"size": 61, "classes": 10}),
    "resnet18": ("resnet18", {}),
    "resnet20": ("resnet20", {}),
    "resnet50_at_61": ("resnet50", {"size": 61, "classes": 10}),
    "resnext50_at_61": ("resnext50_32x4d", {"size": 61, "classes": 10}),
    "alexnet_torchvision_at_67": ("alexnet_torchvision", {"size": 67, "classes": 10}),
    "googlenet_at_80": ("googlenet", {"size": 80, "classes": 10}),
    "googlenet_torchvision_at_61": (
        "googlenet_torchvision",
        {"size": 61, "classes": 10},
    ),
    "autoencoder": ("autoencoder", {}),
    "signal_classifier": ("signal_classifier", {}),
    "video_classifier_at_32": ("video_classifier", {"size": 32, "classes": 10}),
}
SIZED = {f"{name}_sizes": name for name in FACTS}


def path_of(name: str) -> Path:
    return ROOT / "specs" / f"{name}.yaml"


def outputs_of(row: dict[str, Any]) -> dict[str, list[int]]:
    """Of the network that serves."""
    if "outputs" in row:
        return dict(row["outputs"])
    return {"output": list(row["output"]) if "output" in row else [row["classes"]]}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    specs = {
        run: check_file(str(path_of(n)), values) for run, (n, values) in RUNS.items()
    }
    specs |= {run: check_file(str(path_of(name)), {}) for run, name in SIZED.items()}
    return run_both(specs, tmp_path_factory.mktemp("networks"), sizes_only=set(SIZED))


def test_every_shipped_spec_has_its_figures() -> None:
    assert {path.stem for path in (ROOT / "specs").glob("*.yaml")} == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_check_gives_the_published_figures(name: str) -> None:
    found, row = check_json(path_of(name)), FACTS[name]
    assert {d["severity"] for d in found["diagnostics"]} <= {"note"}
    assert found["inputs"] == {"input": row["input"]}
    assert found["outputs"] == {**outputs_of(row), **row.get("heads", {})}
    totals = found["totals"]
    assert [totals[k] for k in ("trainable_params", "macs", "depth")] == [
        row[k] for k in ("params", "macs", "depth")
    ]
    assert totals["params"] == row["params"] + row.get("constants", 0)
    training = totals["training"]
    assert training["trainable_params"] == row.get("training_params", row["params"])
    assert training["macs"] == row.get("training_macs", row["macs"])
    counts = {layer["path"]: layer["trainable_params"] for layer in found["layers"]}
    assert row.get("per_layer", {}).items() <= counts.items()
    if "params_before_classifier" in row:
        assert row["params"] - counts["dense"] == row["params_before_classifier"]


@pytest.mark.parametrize("name", FACTS)
def test_generated_models_have_the_published_sizes(
    name: str, outcomes: dict[str, Outcome]
) -> None:
    outcome = outcomes[f"{name}_sizes"]
    assert_same_sizes(outcome)
    for side in (outcome.pytorch, outcome.keras):
        row = FACTS[name]
        assert side["trainable_params"] == row.get("training_params", row["params"])
        assert side["outputs"] == outputs_of(FACTS[name])


@pytest.mark.parametrize("run", RUNS)
def test_generated_models_agree_on_shared_weights(
    run: str, outcomes: dict[str, Outcome]
) -> None:
    assert_same_network(outcomes[run])


def load(name: str, values: dict[str, Any], folder: Path) -> ModuleType:
    text = model_text(check_file(str(path_of(name)), values), "pytorch", None)
    (folder / "model.py").write_text(text)
    spec = importlib.util.spec_from_file_location(f"{name}_model", folder / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_equal_by_order(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    """The other model's weights, in their order, give the same outputs."""
    torch.manual_seed(0)
    for name, value in theirs.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 2)
        elif value.is_floating_point() and value.dim() == 1:
            value.normal_()
    keys, values = ours.state_dict().keys(), theirs.state_dict().values()
    ours.load_state_dict(dict(zip(keys, values, strict=True)))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        a, b = ours.eval()(x), theirs.eval()(x)
    assert a.std() > 0
    assert (a - b).abs().max() <= 1e-5 * b.abs().max()


def test_resnet18_is_torchvisions(tmp_path: Path) -> None:
    ours = load("resnet18", {"size": 64, "classes": 10}, tmp_path).Resnet18()
    assert_equal_by_order(ours, torchvision.models.resnet18(num_classes=10))


@pytest.mark.parametrize(
    ("name", "configuration"),
    [("vgg11", "A"), ("vgg13", "B"), ("vgg16", "D"), ("vgg19", "E")],
)
def test_vgg_is_torchvisions(name: str, configuration: str, tmp_path: Path) -> None:
    module = load(name, {"size": 64, "classes": 10}, tmp_path)
    ours = getattr(module, name.capitalize())()
    vgg = torchvision.models.vgg
    features = vgg.make_layers(vgg.cfgs[configuration])
    theirs = torchvision.models.VGG(features, num_classes=10)
    # Its 7x7 is what 224 pixels come to; 64 come to 2x2.
    theirs.avgpool = torch.nn.Identity()
    theirs.classifier[0] = torch.nn.Linear(512 * 2 * 2, 4096)
    assert_equal_by_order(ours, theirs)
