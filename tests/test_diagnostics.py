"""Every diagnostic code has a page and a golden: the command's whole text on a bad spec.

A golden is a folder `tests/goldens/diagnostics/CODE-case` with spec.yaml (made here where no
file can hold it), args where the command takes more, and expected.txt.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cnnspec.cli import cli
from cnnspec.codes import Page, load_codes
from cnnspec.compile import check_source
from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.source import decode

ROOT = Path(__file__).parents[1]
GOLDENS = Path(__file__).with_name("goldens") / "diagnostics"
CASES = sorted(folder.name for folder in GOLDENS.iterdir())
PAGES = load_codes()
OF_BUILD = ("CS50", "CS520", "CS60")  # reported by later stages, tested with them
OF_PLUGINS = ("CS12", "CS390", "CS470", "CS590")  # tested in test_plugins


def diagnostics(text: str) -> list[Diagnostic]:
    bag = Bag()
    source = decode("spec.yaml", text.encode(), bag)
    return bag.sorted() or check_source(source, {}).diagnostics


def make_spec(case: str, folder: Path) -> None:
    """The bad file of the codes that stand for files themselves."""
    path = folder / "spec.yaml"
    golden = GOLDENS / case / "spec.yaml"
    if case.startswith("CS001"):
        return  # there is none
    if case.startswith("CS002"):
        path.mkdir()
    elif case.startswith("CS003"):
        path.write_bytes(b"# long\n" * 200_000)
    elif case.startswith("CS004"):
        path.write_bytes(b"cnnspec: 1\nname: caf\xe9\n")
    else:
        path.write_bytes(golden.read_bytes())


@pytest.mark.parametrize("case", CASES)
def test_a_diagnostic_reads_as_its_golden(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_spec(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    args = GOLDENS / case / "args"
    more = args.read_text().split() if args.exists() else []
    result = CliRunner().invoke(cli, ["check", "spec.yaml", *more])
    assert result.output == (GOLDENS / case / "expected.txt").read_text()
    assert f"[{case[:5]}]" in result.output
    assert result.exit_code == (0 if case.startswith("CS4") else 1)


def used_codes() -> set[str]:
    sources = (ROOT / "cnnspec").rglob("*.py")
    return {
        code
        for path in sources
        for code in re.findall(r'"(CS[0-9]{3})"', path.read_text(encoding="utf-8"))
    }


def test_every_code_has_a_page_and_every_page_a_use() -> None:
    # A plugin brings its own codes: what it may use is told by a prefix.
    plugins = {code for code in PAGES if code.startswith(OF_PLUGINS)}
    assert used_codes() | plugins == set(PAGES)


def test_every_code_of_a_check_has_a_golden_and_every_golden_a_use() -> None:
    elsewhere = (*OF_BUILD, *OF_PLUGINS)
    used = {code for code in used_codes() if not code.startswith(elsewhere)}
    assert used == {case[:5] for case in CASES}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES.values() if page.bad],
    ids=lambda page: page.code,
)
def test_a_bad_example_gives_its_code_alone_and_the_good_one_nothing(
    page: Page,
) -> None:
    assert page.bad is not None
    assert page.good is not None
    assert [d.code for d in diagnostics(page.bad)] == [page.code]
    assert diagnostics(page.good) == []


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)
def test_messages_are_facts_without_a_full_stop(page: Page) -> None:
    for found in diagnostics(page.bad or ""):
        assert not found.message.endswith(".")
        first = found.message.partition(" ")[0]
        assert (
            first.lower() == first
            or not first.isalpha()
            or first.isupper()
            or (first == "YAML")
        )
