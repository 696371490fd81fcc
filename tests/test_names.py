"""The names that specs may not use are those of Python and both frameworks, no fewer."""

from __future__ import annotations

import builtins
import keyword
import subprocess
import sys

import pytest

from cnnspec.diagnostics import Bag
from cnnspec.layers import OPERATIONS
from cnnspec.names import LONGEST_NAME, RESERVED, camel, check_name
from cnnspec.source import START

OF_THE_PROMPT = {"copyright", "credits", "exit", "license", "quit"}  # added by `site`


def attributes(code: str) -> set[str]:
    """Names that a spec could give, among what a program prints."""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
    )
    return set(run.stdout.split())


def allowed(name: str) -> bool:
    return check_name(name, "layer", START, Bag())


def test_words_of_python_are_reserved() -> None:
    words = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)} - OF_THE_PROMPT
    assert [word for word in sorted(words) if word.islower() and allowed(word)] == []


def test_attributes_of_a_torch_module_are_reserved() -> None:
    pytest.importorskip("torch")
    found = attributes(
        "from torch import nn\nprint(*dir(nn.Module()), *nn.Module.__annotations__)"
    )
    assert len(found) > 50
    assert [name for name in sorted(found) if allowed(name)] == []


def test_attributes_of_a_keras_model_are_reserved() -> None:
    pytest.importorskip("keras")
    found = attributes(
        "import keras\n"
        "x = keras.Input((2,))\n"
        "model = keras.Model(x, keras.layers.Dense(1)(x))\n"
        "model.compile(loss='mse')\n"
        "print(*dir(model))"
    )
    assert len(found) > 100
    assert [name for name in sorted(found) if allowed(name)] == []


@pytest.mark.parametrize(
    "name",
    ["", "Upper", "1st", "_hidden", "a-b", "a b", "größe", "a.b", "a\n", "x" * 65],
)
def test_what_is_no_name_is_refused_with_cs111(name: str) -> None:
    bag = Bag()
    assert not check_name(name, "layer", START, bag)
    assert [d.code for d in bag.sorted()] == ["CS111"]


@pytest.mark.parametrize("name", ["stem", "conv2_x", "a", "x" * LONGEST_NAME])
def test_a_name_is_lowercase_letters_digits_and_underscores(name: str) -> None:
    assert allowed(name) == (name not in RESERVED)


def test_a_suggested_name_is_one() -> None:
    bag = Bag()
    check_name("MyNet-2 (final)", "spec", START, bag)
    (found,) = bag.sorted()
    assert found.help is not None
    assert found.help.startswith("write `my_net_2_final`;")
    assert allowed("my_net_2_final")


def test_operations_can_name_layers() -> None:
    # `abs` as a variable of a forward hides Python's own there, and harms nobody.
    assert [name for name in OPERATIONS if not allowed(name)] == ["abs"]


def test_a_class_is_named_in_camel_case() -> None:
    assert camel("basic_block") == "BasicBlock"
    assert camel("resnet18") == "Resnet18"
