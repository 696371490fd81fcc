"""Pages of operations and containers: what they show can be read without looking elsewhere."""

from __future__ import annotations

import re

import pytest

from cnnspec.containers import CONTAINERS
from cnnspec.layers import OPERATIONS
from cnnspec.pages import operation_page
from tests.programs import command


@pytest.mark.parametrize("name", [*OPERATIONS, *CONTAINERS])
def test_a_page_defines_the_functions_that_its_code_calls(name: str) -> None:
    page = operation_page(name)
    assert page is not None
    torch, keras = page.split("\nIn PyTorch:\n")[1].split("\nIn Keras:\n")
    for code in (torch, keras):
        called = set(re.findall(r"(?<![.\w])_[A-Za-z]\w*(?=\()", code))
        assert called <= set(re.findall(r"(?:def|class) (\w+)", code))


def test_a_page_names_lists_only_where_there_are_some() -> None:
    _, reuse = command("explain", "reuse")
    assert "Lists:" not in reuse
    _, residual = command("explain", "residual")
    assert "\nLists: `body`, `shortcut` (may be left out)\n" in residual


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("attention", "The name of an earlier layer."),
        ("upsample", "The name of an earlier layer."),
        ("gru", "The name of an earlier layer."),
        ("subtract", "A list of names of earlier layers; must be given."),
        ("split", "A list of 2 names or more; must be given."),
    ],
)
def test_a_page_says_what_a_field_names(name: str, words: str) -> None:
    page = operation_page(name)
    assert page is not None
    assert words in " ".join(page.split())
    assert "Text." not in page


def test_every_layer_of_our_own_takes_what_all_layers_of_keras_take() -> None:
    begun = []
    for name in OPERATIONS:
        keras = (operation_page(name) or "").split("\nIn Keras:\n")[1]
        for made in keras.split("\n\n\n"):
            if made.strip().startswith("class "):
                begun += re.findall(r"def __init__\((.*?)\)", made)
    assert begun
    assert all(re.search(r"\*\*\w+$", arguments) for arguments in begun), begun
