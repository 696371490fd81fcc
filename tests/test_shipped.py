"""`cnnspec list`, `cnnspec init --from` and docs/networks.md: the shipped specs, as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cnnspec.shipped import names, networks_page, source_comment
from tests.commands import check_json
from tests.programs import ROOT, command, spec_file

SCHEMA = "cnnspec-1.schema.json"
FACTS = yaml.safe_load((ROOT / "tests/facts/networks.yaml").read_text("utf-8"))


def test_all_shipped_specs_are_listed_with_their_figures() -> None:
    status, output = command("list")
    assert status == 0
    head, *lines = output.splitlines()
    assert head.split() == ["name", "input", "params", "MACs", "depth", "description"]
    rows = {line.split()[0]: line for line in lines}
    assert len(rows) == len(lines) == len(FACTS)
    for fact in FACTS:
        row = rows[fact["name"]]
        params = fact["params"] + fact.get("constants", 0)
        shown = ["x".join(map(str, fact["input"])), f"{params:,}", f"{fact['macs']:,}"]
        assert row.split()[1:5] == [*shown, str(fact["depth"])]
        spec = yaml.safe_load(spec_file(fact["name"]).read_text("utf-8"))
        assert row.endswith(f"  {spec['description']}")


def test_the_list_for_programs_says_what_check_says() -> None:
    status, output = command("list", "--format", "json")
    document = json.loads(output)
    assert (status, document["version"]) == (0, 1)
    for listed in document["specs"]:
        file = spec_file(listed["name"])
        found = check_json(file)
        description = yaml.safe_load(file.read_text("utf-8"))["description"]
        keys = ("name", "inputs", "outputs", "totals")
        wanted = {key: found[key] for key in keys} | {"description": description}
        assert listed == wanted
    assert [listed["name"] for listed in document["specs"]] == names()


def test_every_shipped_spec_bears_the_name_of_its_file_and_says_its_source() -> None:
    for name in names():
        text = spec_file(name).read_text("utf-8")
        assert yaml.safe_load(text)["name"] == name
        assert len(source_comment(text).split()) >= 15, name


@pytest.mark.parametrize("name", names())
def test_a_copy_of_a_shipped_spec_checks_as_it_does(name: str, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    status, output = command("init", "--from", name, file)
    assert (status, output.splitlines()[0]) == (
        0,
        f"wrote {file}; wrote {tmp_path / SCHEMA}",
    )
    line, _, rest = file.read_text("utf-8").partition("\n")
    assert line == f"# yaml-language-server: $schema={SCHEMA}"
    assert rest == spec_file(name).read_text("utf-8").partition("\n")[2]
    copy, shipped = check_json(file), check_json(spec_file(name))
    assert copy["totals"] == shipped["totals"]
    assert (tmp_path / SCHEMA).is_file()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("resnet5O", "did you mean `resnet50`?"),
        ("googlenett", "did you mean `googlenet`?"),
        ("nothing", "`cnnspec list` shows them all"),
        ("../resnet50", "did you mean `resnet50`?"),
    ],
)
def test_a_spec_that_does_not_ship_is_wrong_use(
    name: str, more: str, tmp_path: Path
) -> None:
    status, output = command("init", "--from", name, tmp_path / "my.yaml")
    assert status == 2
    assert f"no spec `{name}` ships with cnnspec: {more}" in output
    assert not list(tmp_path.iterdir())


def test_the_page_of_networks_is_what_the_specs_generate() -> None:
    text = (ROOT / "docs" / "networks.md").read_bytes()
    assert text == networks_page().encode(), "run `make generate`"


def test_the_page_of_networks_has_a_section_with_a_source_for_each_spec() -> None:
    page = networks_page()
    for name in names():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert source_comment(spec_file(name).read_text("utf-8")) in section
        assert "\n```text\nlayer " in section
