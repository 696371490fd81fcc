"""The layers of known networks are found in their files: by shapes and order, and by names.

Nothing but names and shapes is needed, so the networks have no numbers here.
"""

from __future__ import annotations

import hashlib
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import models

from cnnspec.weights.contents import Contents
from cnnspec.weights.importing.matching import NAMES, ORDER, UNSURE, Place, match
from cnnspec.weights.importing.stored import Stored, by_prefix, state_dict
from cnnspec.weights.importing.words import words_of
from cnnspec.weights.layout import state_shapes, variable_shapes
from tests.importing.pairing import ROOT, check_network, derived
from tests.test_torchvision import BOTTLENECKS, NETWORKS, Rules, renamed, vgg

BASIC_BLOCKS: Rules = [
    (rule.replace("bottleneck", "basic_block"), new) for rule, new in BOTTLENECKS
]
MODULES = {
    **{f"module_a{i}": f"Mixed_5{letter}" for i, letter in enumerate("bcd", 1)},
    "module_b": "Mixed_6a",
    **{f"module_c{i}": f"Mixed_6{letter}" for i, letter in enumerate("bcde", 1)},
    "module_d": "Mixed_7a",
    **{f"module_e{i}": f"Mixed_7{letter}" for i, letter in enumerate("bc", 1)},
}
BRANCHES = {
    "a": "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool",
    "b": "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3",
    "c": "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool",
    "d": "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4",
    "e": "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool",
}
STEM = "1a_3x3 2a_3x3 2b_3x3 3b_1x1 4a_3x3"
INCEPTION_V3: Rules = [
    *(
        (rf"{ours}\.conv_bn{number}\.(.*)", rf"{theirs}.branch{branch}.\1")
        for ours, theirs in MODULES.items()
        for number, branch in enumerate(BRANCHES[ours[7]].split(), 1)
    ),
    *(
        (rf"conv_bn{number}\.(.*)", rf"Conv2d_{name}.\1")
        for number, name in enumerate(STEM.split(), 1)
    ),
    (r"classifier\.conv_bn1\.(.*)", r"AuxLogits.conv0.\1"),
    (r"classifier\.conv_bn2\.(.*)", r"AuxLogits.conv1.\1"),
    (r"classifier\.dense", "AuxLogits.fc"),
    (r"(.*)\.batch_norm", r"\1.bn"),
    (r"dense", "fc"),
]
DENSE_BLOCKS: Rules = [
    *(
        (
            rf"dense_layer(\d)\.{i}\.(conv|batch_norm)(\d)",
            rf"features.denseblock\1.denselayer{i + 1}.\2\3",
        )
        for i in range(24)
    ),
    (r"transition(\d)\.(.*)", r"features.transition\1.\2"),
    (r"conv", "features.conv0"),
    (r"batch_norm1", "features.norm0"),
    (r"batch_norm2", "features.norm5"),
    (r"(features.*\.)batch_norm(\d?)", r"\1norm\2"),
    (r"dense", "classifier"),
]
# torchvision's name, and rules from the spec's names to its own; None: both in one order.
TORCHVISION: dict[str, tuple[str, Rules | None]] = {
    **NETWORKS,
    "vgg13": ("vgg13", vgg(2, 2, 2, 2, 2)),
    "resnet34": ("resnet34", BASIC_BLOCKS),
    "resnet101": ("resnet101", BOTTLENECKS),
    "densenet121": ("densenet121", DENSE_BLOCKS),
    "mobilenet_v2": ("mobilenet_v2", None),
    "inception_v3": ("inception_v3", INCEPTION_V3),
}


SPECS = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))


@cache
def shapes_of(name: str) -> dict[str, torch.Size]:
    """torchvision's state dict, without numbers."""
    known = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        network = getattr(models, name)(**known)
    return {
        key: value.shape
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    }


def stored_of(shapes: Any, ordered: bool) -> Stored:
    """A state dict as torch.save writes it, or sorted as safetensors does."""
    zero = np.zeros((), np.float32)
    names = shapes if ordered else sorted(shapes)
    tensors = {name: np.broadcast_to(zero, shapes[name]) for name in names}
    return state_dict(Contents(tensors, {}), ordered)


@pytest.mark.parametrize("ordered", [True, False], ids=["pth", "safetensors"])
@pytest.mark.parametrize("name", TORCHVISION)
def test_each_layer_of_torchvisions_network_is_found(name: str, ordered: bool) -> None:
    source, rules = TORCHVISION[name]
    shapes = shapes_of(source)
    found = derived(stored_of(shapes, ordered), check_network(name))
    if rules is None:
        layers = dict.fromkeys(key.rpartition(".")[0] for key in shapes)
        truth = dict(zip(found, layers, strict=True))
    else:
        truth = {ours: renamed(ours, rules) for ours in found}
    assert {ours: theirs for ours, (theirs, _) in found.items()} == truth


@pytest.mark.parametrize("name", sorted(TORCHVISION.keys() - {"inception_v3"}))
def test_nothing_is_guessed_where_the_file_keeps_the_order(name: str) -> None:
    stored = stored_of(shapes_of(TORCHVISION[name][0]), ordered=True)
    bases = {basis for _, basis in derived(stored, check_network(name)).values()}
    plain = name.startswith(("alexnet", "vgg", "mobilenet", "densenet"))
    assert bases == ({ORDER} if plain else {ORDER, NAMES})


def nameless(shapes: dict[str, torch.Size]) -> dict[str, str]:
    """Layers' names that have nothing in common, by the true ones."""
    layers = dict.fromkeys(name.rpartition(".")[0] for name in shapes)
    letters = str.maketrans("0123456789", "ghijklmnop")
    return {
        name: hashlib.sha256(name.encode()).hexdigest()[:12].translate(letters)
        for name in layers
    }


@pytest.mark.parametrize("ordered", [True, False], ids=["pth", "safetensors"])
@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "googlenet_torchvision", "inception_v3"]
)
def test_without_names_what_is_not_sure_is_called_a_guess(
    name: str, ordered: bool
) -> None:
    source, rules = TORCHVISION[name]
    assert rules is not None
    shapes = shapes_of(source)
    names = nameless(shapes)
    changed = {}
    for key, shape in shapes.items():
        layer, _, tensor = key.rpartition(".")
        changed[f"{names[layer]}.{tensor}"] = shape
    found = derived(stored_of(changed, ordered), check_network(name))
    sure = {o: theirs for o, (theirs, basis) in found.items() if basis == ORDER}
    assert sure == {ours: names[renamed(ours, rules)] for ours in sure}
    assert {basis for _, basis in found.values()} == {ORDER, UNSURE}


def drawn_order(draw: Random, count: int) -> list[int]:
    """Bits of what comes before each of some layers: any order among any of them."""
    share, before = draw.random(), [0] * count
    for later in range(count):
        for earlier in range(later):
            if draw.random() < share:
                before[later] |= before[earlier] | 1 << earlier
    return before


def a_way_through(draw: Random, before: list[int]) -> list[int]:
    """The layers in some order that is allowed."""
    found: list[int] = []
    waiting = set(range(len(before)))
    while waiting:
        ready = [j for j in waiting if not any(before[j] >> k & 1 for k in waiting)]
        found.append(draw.choice(sorted(ready)))
        waiting.remove(found[-1])
    return found


@pytest.mark.parametrize("seed", range(300))
def test_whatever_the_names_the_order_is_kept_or_a_guess_is_marked(seed: int) -> None:
    draw = Random(seed)
    before = drawn_order(draw, draw.randint(1, 9))
    everyone = list(range(len(before)))
    after = [sum(1 << k for k in everyone if before[k] >> j & 1) for j in everyone]
    truth = a_way_through(draw, before)

    def name() -> str:
        words = [f"{draw.choice('abc')}{draw.randint(0, 2)}" for _ in range(3)]
        return ".".join(words[: draw.randint(1, 3)])

    names = [(name(), name()) for _ in everyone]
    theirs = [Place(a, words_of(a), ("alike",)) for a, _ in names]
    ours = [
        Place(b, words_of(b), ("alike",), before[j], after[j])
        for j, (_, b) in enumerate(names)
    ]
    pairs = match(theirs, ours, True, [], (everyone, everyone))
    assert sorted(pair.theirs for pair in pairs) == everyone
    assert sorted(pair.ours for pair in pairs) == everyone
    assert all(truth[p.theirs] == p.ours for p in pairs if p.basis == ORDER)
    at = {pair.ours: pair.theirs for pair in pairs}
    kept = all(at[i] < at[j] for j in everyone for i in everyone if before[j] >> i & 1)
    assert kept or UNSURE in {pair.basis for pair in pairs}


@pytest.mark.parametrize("order", ["pth", "safetensors", "keras"])
@pytest.mark.parametrize("name", SPECS)
def test_a_specs_own_names_lead_back_to_its_layers(name: str, order: str) -> None:
    checked = check_network(name)
    assert checked.graph is not None
    if order == "keras":
        groups = by_prefix(variable_shapes(checked.graph), "/")
        stored = Stored("keras", groups, True, frozenset(), {}.__getitem__)
    else:
        stored = stored_of(state_shapes(checked.graph), order == "pth")
    found = derived(stored, checked)
    assert all(theirs == ours for ours, (theirs, _) in found.items())
