"""The pages of the diagnostic codes: complete, in order, their examples true."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from cnnspec import codes
from cnnspec.allowances import allowances, apply_allowances
from cnnspec.codes import Page, explain, load_codes
from cnnspec.diagnostics import Bag
from cnnspec.source import decode
from cnnspec.yamltree import parse

PAGES = load_codes()
# Their mistakes stand in no text.
WITHOUT_EXAMPLES = {"CS001", "CS002", "CS003", "CS004", "CS212"}
WITHOUT_EXAMPLES |= {
    "CS121",
    "CS122",
    "CS123",
    "CS124",
    "CS390",
    "CS470",
    "CS590",
}  # of plugins
WITHOUT_EXAMPLES |= {"CS501", "CS502", "CS520"}  # a check does not report them
WITHOUT_EXAMPLES |= {"CS601", "CS602", "CS603", "CS604"}  # of a map of names


def codes_of(text: str) -> set[str]:
    """What reading, without looking at the spec's meaning, finds."""
    bag = Bag()
    source = decode("x", text.encode(), bag)
    parse(source, bag)
    granted = allowances(source, bag)
    return {d.code for d in apply_allowances(bag.sorted(), granted)}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_is_complete(page: Page) -> None:
    assert re.fullmatch("CS[0-9]{3}", page.code)
    assert page.title
    assert page.title[0].islower() or page.title[:2].isupper() or page.title[0] == "`"
    assert not page.title.endswith(".")
    assert page.why.endswith((".", "`"))
    if page.code in WITHOUT_EXAMPLES:
        assert page.bad is page.good is None
    else:
        assert page.bad
        assert page.good


@pytest.mark.parametrize(
    "code", [code for code in PAGES if code < "CS1" or code == "CS480"]
)
def test_the_examples_of_reading_show_their_mistake(code: str) -> None:
    page = PAGES[code]
    if page.bad and page.good:
        assert codes_of(page.bad) == {code}
        assert codes_of(page.good) == set()


def test_pages_stand_in_the_order_of_their_codes() -> None:
    text = codes.PAGES.read_text(encoding="utf-8")
    listed = re.findall(r"^(CS[0-9]{3}):$", text, re.MULTILINE)
    assert listed == sorted(PAGES)


def test_every_code_of_reading_has_a_page_and_every_page_a_use() -> None:
    folder = codes.PAGES.parent
    names = ("source", "yamltree", "yamlfaults", "yamlsyntax", "allowances")
    used = {
        code
        for name in names
        for code in re.findall(r'"(CS[0-9]{3})"', (folder / f"{name}.py").read_text())
    }
    assert used == {code for code in PAGES if code < "CS1" or code == "CS480"}


def test_explain_prints_a_page() -> None:
    text = explain("cs012")
    assert text is not None
    assert text.startswith("CS012: YAML cut an expression\n\n")
    assert (
        '    layers:\n      - conv: {filters: "$(max(16, width))", kernel: 3}' in text
    )
    assert max(map(len, text.splitlines())) <= 80
    assert explain("CS999") is None


def test_reading_imports_neither_pages_nor_messages_nor_sarif() -> None:
    code = (
        "import sys\n"
        "from cnnspec.source import decode\n"
        "from cnnspec.yamltree import parse\n"
        "from cnnspec.diagnostics import Bag\n"
        "import cnnspec.render\n"
        "from cnnspec.allowances import allowances\n"
        "bag = Bag()\n"
        "source = decode('x', b'a: {b: $(f(1)), c: [1.5, x]}', bag)\n"
        "assert parse(source, bag) and not allowances(source, bag)\n"
        "names = ('codes', 'sarif', 'yamlfaults', 'yamlsyntax')\n"
        "print([name for name in names if 'cnnspec.' + name in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
