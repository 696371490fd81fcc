"""torchvision's random weights, moved by names, give the generated models torchvision's outputs.

At the full input size; every layer with weights gives the same shape on both sides.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from cnnspec.names import camel
from tests.test_networks import load

TOLERANCE = 1e-5  # of each output's largest value

# Rules from our names of layers to torchvision's, applied in order to the whole name.
Rules = list[tuple[str, str]]
IN_BLOCKS: Rules = [
    (r"(.*\.)conv_bn(\d)\.conv", r"\1conv\2"),
    (r"(.*\.)conv_bn(\d)\.batch_norm", r"\1bn\2"),
    (r"(.*\.)projection\.conv", r"\1downsample.0"),
    (r"(.*\.)projection\.batch_norm", r"\1downsample.1"),
    (r"conv_bn\.conv", "conv1"),
    (r"conv_bn\.batch_norm", "bn1"),
    (r"dense", "fc"),
]
# A stage's first block is `bottleneck1`, the repeated others are in `bottleneck2`.
BOTTLENECKS: Rules = [
    (r"stage(\d)\.bottleneck1\.(.*)", r"layer\1.0.\2"),
    *(
        (rf"stage(\d)\.bottleneck2\.{i}\.(.*)", rf"layer\1.{i + 1}.\2")
        for i in range(35)
    ),
    *IN_BLOCKS,
]
BASIC_BLOCKS: Rules = [
    (r"basic_block1\.(\d)\.(.*)", r"layer1.\1.\2"),
    *(
        (rf"basic_block{2 * stage - 2 + half}\.(.*)", rf"layer{stage}.{half}.\1")
        for stage in (2, 3, 4)
        for half in (0, 1)
    ),
    *IN_BLOCKS,
]
BRANCHES = ("1", "2.0", "2.1", "3.0", "3.1", "4.1")
INCEPTIONS: Rules = [
    *(
        (rf"(inception..)\.conv_bn{i}\.(.*)", rf"\1.branch{branch}.\2")
        for i, branch in enumerate(BRANCHES, start=1)
    ),
    (r"classifier(\d)\.conv_bn\.(.*)", r"aux\1.conv.\2"),
    (r"classifier(\d)\.dense(\d)", r"aux\1.fc\2"),
    (r"conv_bn(\d)\.(.*)", r"conv\1.\2"),
    (r"(.*)\.batch_norm", r"\1.bn"),
    (r"dense", "fc"),
]
DENSE_OF_VGG: Rules = [(rf"dense{i}", f"classifier.{3 * i - 3}") for i in (1, 2, 3)]


def vgg(*depths: int) -> Rules:
    """A convolution is followed by its activation, a stage by its pool."""
    rules, place = list(DENSE_OF_VGG), 0
    for stage, depth in enumerate(depths, start=1):
        for index in range(depth):
            number = rf"(\.{index})?" if depth == 1 else rf"\.{index}"
            rules.append((rf"stage{stage}\.conv{number}", f"features.{place}"))
            place += 2
        place += 1
    return rules


NETWORKS: dict[str, tuple[str, Rules]] = {
    "alexnet_torchvision": (
        "alexnet",
        [
            *((f"conv{i}", f"features.{p}") for i, p in enumerate((0, 3, 6, 8, 10), 1)),
            *((f"dense{i}", f"classifier.{p}") for i, p in enumerate((1, 4, 6), 1)),
        ],
    ),
    "vgg11": ("vgg11", vgg(1, 1, 2, 2, 2)),
    "vgg16": ("vgg16", vgg(2, 2, 3, 3, 3)),
    "vgg19": ("vgg19", vgg(2, 2, 4, 4, 4)),
    "googlenet_torchvision": ("googlenet", INCEPTIONS),
    "resnet18": ("resnet18", BASIC_BLOCKS),
    "resnet50": ("resnet50", BOTTLENECKS),
    "resnet152": ("resnet152", BOTTLENECKS),
    "resnext50_32x4d": ("resnext50_32x4d", BOTTLENECKS),
    "wide_resnet50_2": ("wide_resnet50_2", BOTTLENECKS),
}


def renamed(name: str, rules: Rules) -> str:
    for pattern, new in rules:
        name = re.sub(f"^(?:{pattern})$", new, name)
    return name


def weighted(network: nn.Module) -> dict[str, nn.Module]:
    """The layers that hold tensors themselves, by name."""
    return {
        name: module
        for name, module in network.named_modules()
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    }


def theirs_of(name: str) -> nn.Module:
    """With its random weights, and with other statistics than those it begins with."""
    torch.manual_seed(0)
    known = {"init_weights": True} if name == "googlenet" else {}
    network: nn.Module = getattr(models, name)(**known)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return network


def pair(name: str, folder: Path) -> tuple[nn.Module, nn.Module, dict[str, str]]:
    """The generated model with torchvision's weights, torchvision's, and the names."""
    source, rules = NETWORKS[name]
    theirs = theirs_of(source)
    with torch.device("meta"):
        ours: nn.Module = getattr(load(name, {}, folder), camel(name))()
    names = {mine: renamed(mine, rules) for mine in weighted(ours)}
    assert sorted(names.values()) == sorted(weighted(theirs))
    given = theirs.state_dict()
    moved = {}
    for key in ours.state_dict():
        layer, _, tensor = key.rpartition(".")
        moved[key] = given[f"{names[layer]}.{tensor}"].clone()
    ours.load_state_dict(moved, assign=True)
    return ours, theirs, names


def watched(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Fills with the shape that each layer with weights gives, once the network runs."""
    shapes: dict[str, tuple[int, ...]] = {}

    def watch(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, __: Any, output: torch.Tensor) -> None:
            shapes[name] = tuple(output.shape)

        module.register_forward_hook(note)

    for name, module in weighted(network).items():
        watch(name, module)
    return shapes


def assert_close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape == (theirs.shape[0], 1000)
    assert theirs.std() > 0
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_the_network_computes_what_torchvisions_does(name: str, tmp_path: Path) -> None:
    ours, theirs, names = pair(name, tmp_path)
    mine, given = watched(ours), watched(theirs)
    x = torch.randn(1, 3, 224, 224)
    assert_close(ours.eval()(x), theirs.eval()(x))
    assert {names[layer]: shape for layer, shape in mine.items()} == given
    heads = {layer for layer in names if layer.startswith("classifier")}
    assert set(mine) == set(names) - heads


@torch.no_grad()
def test_googlenets_heads_compute_what_torchvisions_do(tmp_path: Path) -> None:
    ours, theirs, names = pair("googlenet_torchvision", tmp_path)
    for network in (ours.train(), theirs.train()):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
    mine, given = watched(ours), watched(theirs)
    x = torch.randn(2, 3, 224, 224)
    found, wanted = ours(x), theirs(x)
    assert list(found) == ["output", "auxiliary1", "auxiliary2"]
    assert_close(found["output"], wanted.logits)
    assert_close(found["auxiliary1"], wanted.aux_logits1)
    assert_close(found["auxiliary2"], wanted.aux_logits2)
    assert {names[layer]: shape for layer, shape in mine.items()} == given
    assert set(mine) == set(names)
