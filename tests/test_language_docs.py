"""The references say what is so: every example checks, generated pages are up to date."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent, indent

import pytest
from click.testing import CliRunner

from cnnspec import pages
from cnnspec.cli import cli
from cnnspec.compile import check_source
from cnnspec.containers import CONTAINERS, LISTS
from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.fields import Declared
from cnnspec.layers import OPERATIONS
from cnnspec.resolve import KEYS
from cnnspec.shared import SHARED
from cnnspec.source import decode

DOCS = Path(__file__).parents[1] / "docs"
LANGUAGE = (DOCS / "language.md").read_text(encoding="utf-8")
# Sections that describe other stages have tests of their own.
CHECKED = LANGUAGE.partition("\n## Data and training\n")[0]
EXAMPLES = [
    pytest.param(
        match[2],
        (match[1] or "").strip(),
        id=f"line{CHECKED[: match.start()].count(chr(10)) + 1}",
    )
    for match in re.finditer(r"```yaml( CS[0-9]{3})?\n(.*?)```", CHECKED, re.DOTALL)
]
HEAD = "cnnspec: 1\nname: example\n"
INPUT = "input: {channels: 3, height: 32, width: 32}\n"
INPUTS = {"reuse": "{channels: 4, height: 32, width: 32}"}  # of containers


def whole(example: str) -> str:
    """The smallest spec around a fragment."""
    if example.startswith("cnnspec:"):
        return example
    if example.startswith("- "):
        example = "layers:\n" + indent(example, "  ")
    has_input = re.search("^inputs?:", example, re.MULTILINE)
    return HEAD + ("" if has_input else INPUT) + example


def diagnostics(text: str) -> list[Diagnostic]:
    bag = Bag()
    source = decode("example.yaml", text.encode(), bag)
    return bag.sorted() or check_source(source, {}).diagnostics


@pytest.mark.parametrize(("example", "code"), EXAMPLES)
def test_an_example_checks_as_its_fence_says(example: str, code: str) -> None:
    found = [(d.code, d.message) for d in diagnostics(whole(example))]
    assert [c for c, _ in found] == ([code] if code else []), found


def rows(section: str) -> set[str]:
    """The first column of the tables under a heading."""
    text = LANGUAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE))


def test_the_reference_lists_every_key() -> None:
    assert rows("Keys of a spec") == set(KEYS)
    assert rows("Keys beside an operation") == set(SHARED)
    assert rows("Blocks") == {"args", "let", "layers"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_reference_lists_every_field_of_a_container(name: str) -> None:
    own = {"name"} if name == "head" else set()
    assert rows(name) == {*LISTS[name], *CONTAINERS[name].fields, *own}


def test_every_link_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")
        for title in re.findall("^##+ (.*)$", LANGUAGE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", LANGUAGE)) <= headings


def test_the_page_of_operations_is_up_to_date() -> None:
    text = (DOCS / "operations.md").read_bytes()
    assert text == pages.operations_page().encode(), "run `make generate`"


@pytest.mark.parametrize("name", [*OPERATIONS, *CONTAINERS])
def test_the_example_of_an_operation_checks(name: str) -> None:
    example = {**OPERATIONS, **CONTAINERS}[name].example
    example = dedent(example).strip("\n") + "\n"
    given = getattr(OPERATIONS.get(name), "example_input", INPUTS.get(name))
    spec = f"input: {given}\n" if given else INPUT
    spec += "layers:\n" + indent(example, "  ")
    errors = [d for d in diagnostics(whole(spec)) if d.severity == "error"]
    assert errors == []


@pytest.mark.parametrize("name", pages.names())
def test_explain_shows_every_field(name: str) -> None:
    result = CliRunner().invoke(cli, ["explain", name])
    assert result.exit_code == 0
    assert result.output.startswith(f"{name}\n\n")
    assert max(map(len, result.output.splitlines())) <= 88
    known: dict[str, type[Declared]] = {**OPERATIONS, **CONTAINERS}
    for field in known[name].fields if name in known else ():
        assert f"\n  {field}\n" in result.output


def test_explain_lists_operations_and_codes_and_suggests() -> None:
    runner = CliRunner()
    listed = runner.invoke(cli, ["explain", "operations"]).output
    assert {line.split()[0] for line in listed.splitlines()} == {
        *OPERATIONS,
        *CONTAINERS,
    }
    assert runner.invoke(cli, ["explain", "cs301"]).output.startswith("CS301: ")
    wrong = runner.invoke(cli, ["explain", "cnov"])
    assert wrong.exit_code == 2
    assert "did you mean `conv`?" in wrong.output
    assert runner.invoke(cli, ["explain", "CS999"]).exit_code == 2


def test_schema_prints_the_committed_schema() -> None:
    committed = (DOCS.parent / "schemas" / "cnnspec-1.schema.json").read_bytes()
    assert CliRunner().invoke(cli, ["schema"]).output.encode() == committed
