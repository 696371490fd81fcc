"""Growing concatenation, a conditional shortcut and squeeze-excite: whole networks of such blocks.

Each block is one class or function, and both targets have the published counts.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torchvision import models

from cnnspec.compile import check_file
from cnnspec.emit.build import model_text
from cnnspec.names import camel
from tests.commands import check_json
from tests.parity.harness import Outcome, assert_same_sizes, run_both
from tests.test_networks import assert_equal_by_order

PLACE = Path(__file__).with_name("networks")


class Facts(NamedTuple):
    """Figures of a network, and its definitions in the order of the program.

    Those of DenseNet-121 and MobileNetV2 were counted on torchvision's models. SE-ResNet-50 is
    ResNet-50 and, for each block of C channels, two layers of C/16 and C numbers.
    """

    params: int
    macs: int
    definitions: list[str]


def squeezed(per_channels: int) -> int:
    """The sum over SE-ResNet-50's blocks of 2 C C/16, and of `per_channels` times C/16."""
    blocks = {256: 3, 512: 4, 1024: 6, 2048: 3}
    return sum(n * (2 * c + per_channels) * c // 16 for c, n in blocks.items())


FACTS = {
    "densenet121": Facts(
        7_978_856, 2_834_161_664, ["dense_layer", "transition", "densenet121"]
    ),
    "mobilenet_v2": Facts(
        3_504_872, 300_774_272, ["conv_bn", "inverted_residual", "mobilenet_v2"]
    ),
    "se_resnet50": Facts(
        25_557_032 + squeezed(17),
        4_089_184_256 + squeezed(0),
        ["conv_bn", "squeeze_excite", "bottleneck", "stage", "se_resnet50"],
    ),
}
BESIDE = {"init_weights", "he_normal", "Conv2D", "Dense", "DepthwiseConv2D"}


def path_of(name: str) -> Path:
    return PLACE / f"{name}.yaml"


def written(name: str, target: str, **values: int) -> str:
    return model_text(check_file(str(path_of(name)), values), target, None)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    specs = {name: check_file(str(path_of(name)), {}) for name in FACTS}
    return run_both(specs, tmp_path_factory.mktemp("blocks"), sizes_only=set(specs))


@pytest.mark.parametrize("name", FACTS)
def test_check_gives_the_counts_of_the_network(name: str) -> None:
    found = check_json(path_of(name), "--strict")
    assert (found["ok"], found["diagnostics"]) == (True, [])
    assert found["outputs"] == {"output": [1000]}
    totals = found["totals"]
    assert (totals["params"], totals["macs"]) == FACTS[name][:2]


@pytest.mark.parametrize("name", FACTS)
def test_both_targets_have_the_counts_of_the_network(
    name: str, outcomes: dict[str, Outcome]
) -> None:
    assert_same_sizes(outcomes[name])
    for side in (outcomes[name].pytorch, outcomes[name].keras):
        assert side["trainable_params"] == FACTS[name].params


@pytest.mark.parametrize("name", FACTS)
def test_each_block_is_one_definition(name: str) -> None:
    wanted = FACTS[name].definitions
    for target, spell in (("pytorch", camel), ("keras", str)):
        tree = ast.parse(written(name, target))
        kinds = (ast.ClassDef, ast.FunctionDef)
        defined = [node.name for node in tree.body if isinstance(node, kinds)]
        found = [each for each in defined if each not in BESIDE]
        assert found == [spell(each) for each in wanted]


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2"])
def test_the_network_is_torchvisions(name: str, tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(written(name, "pytorch", size=64, classes=10))
    found = importlib.util.spec_from_file_location(f"{name}_model", file)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    ours: torch.nn.Module = getattr(module, camel(name))()
    assert_equal_by_order(ours, getattr(models, name)(num_classes=10))
