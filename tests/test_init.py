"""`cnnspec init` writes a spec that is right, the schema beside it, and nothing over a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cnnspec.language_schema import dump
from cnnspec.names import RESERVED
from tests.commands import check_json
from tests.programs import command, files_of
from tests.test_language_schema import faults
from tests.trees import tree, values

SCHEMA = "cnnspec-1.schema.json"


def test_a_new_spec_has_no_findings_and_can_be_built(tmp_path: Path) -> None:
    file = tmp_path / "digits.yaml"
    status, output = command("init", file)
    assert (status, output.splitlines()) == (
        0,
        [
            f"wrote {file}; wrote {tmp_path / SCHEMA}",
            f"next: cnnspec check {file}",
        ],
    )
    spec = check_json(file, "--strict")
    assert (spec["ok"], spec["diagnostics"], spec["name"]) == (True, [], "digits")
    assert spec["outputs"] == {"output": [10]}
    for target in ("pytorch", "keras"):
        assert "train.py" in files_of(file.read_text("utf-8"), target)


def test_an_editor_finds_the_schema_beside_the_spec(tmp_path: Path) -> None:
    command("init", tmp_path / "net.yaml")
    text = (tmp_path / "net.yaml").read_text("utf-8")
    line = text.partition("\n")[0]
    assert line == f"# yaml-language-server: $schema={SCHEMA}"
    assert (tmp_path / SCHEMA).read_text("utf-8") == dump()
    assert not faults(values(tree(text)))


def test_every_line_of_a_new_spec_fits_a_screen_and_most_explain_themselves(
    tmp_path: Path,
) -> None:
    command("init", tmp_path / "net.yaml")
    lines = (tmp_path / "net.yaml").read_text("utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("#" in line for line in lines) >= 10


def test_a_spec_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("mine")
    status, output = command("init", file)
    assert (status, output) == (
        2,
        f"error: {file} exists already: give another name, or move it\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["net.yaml"]
    assert file.read_text() == "mine"


def test_a_schema_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / SCHEMA).write_text("{}")
    status, output = command("init", tmp_path / "net.yaml")
    assert status == 0
    assert f"{tmp_path / SCHEMA} was there and stays" in output
    assert json.loads((tmp_path / SCHEMA).read_text()) == {}


@pytest.mark.parametrize("path", ["no/net.yaml", ".", "x" * 300])
def test_what_can_not_be_written_is_wrong_use(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, output = command("init", path)
    assert status == 2
    assert output.startswith("error: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("LeNet-5.yaml", "lenet_5"),
        ("my net.v2.yml", "my_net_v2"),
        ("3d.yaml", "my_3d"),
        ("conv.yaml", "my_conv"),
        ("parallel.yaml", "my_parallel"),
        ("model.yaml", "my_model"),
        ("stage.yaml", "my_stage"),
        ("é.yaml", "my_network"),
        ("x" * 100 + ".yaml", "x" * 64),
        ("{name}.yaml", "my_name"),
    ],
)
def test_a_spec_is_named_after_its_file(file: str, name: str, tmp_path: Path) -> None:
    assert command("init", tmp_path / file)[0] == 0
    spec = check_json(tmp_path / file, "--strict")
    assert (spec["ok"], spec["name"]) == (True, name)
    assert re.fullmatch("[a-z][a-z0-9_]*", name) and name not in RESERVED
