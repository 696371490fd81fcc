"""The README's spec, commands and outputs, run as they are printed there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def run(command: str, folder: Path) -> str:
    name, *args = command.split()
    assert name == "cnnspec"
    done = subprocess.run(
        [sys.executable, "-m", "cnnspec", *args],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return done.stdout


def test_the_table_of_specs_has_every_spec_with_its_figures() -> None:
    shown = re.findall(
        r"^\| \[(\w+)\]\(specs/.*?\| ([\d,]+) \| ([\d,]+) \| (\d+) \|", README, re.M
    )
    facts = {
        row["name"]: (
            row["params"] + row.get("constants", 0),
            row["macs"],
            row["depth"],
        )
        for row in yaml.safe_load((ROOT / "tests/facts/networks.yaml").read_text())
    }
    found = {
        name: tuple(int(n.replace(",", "")) for n in figures)
        for name, *figures in shown
    }
    assert found == facts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(fenced("yaml")[0])
    return tmp_path


def mend(folder: Path) -> None:
    """What the README tells: the convolution gets `padding: same`."""
    spec = folder / "tiny.yaml"
    text = spec.read_text().replace("64, kernel: 3}", "64, kernel: 3, padding: same}")
    spec.write_text(text)


def test_every_console_block_prints_what_the_readme_shows(folder: Path) -> None:
    blocks = fenced("console")
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        command, _, shown = block.removeprefix("$ ").partition("\n")
        if number == 1:
            mend(folder)
        assert run(command, folder) == shown


def test_the_model_is_the_source_that_the_readme_shows(folder: Path) -> None:
    mend(folder)
    run("cnnspec build tiny.yaml --target pytorch -o tiny-pytorch", folder)
    assert fenced("python")[0] in (folder / "tiny-pytorch" / "model.py").read_text()


def test_the_readme_tells_the_figures_of_every_shipped_spec() -> None:
    specs = sorted((Path(__file__).parents[1] / "specs").glob("*.yaml"))
    files = " ".join(map(str, specs))
    found = json.loads(run(f"cnnspec check {files} --format json", Path.cwd()))
    assert len(found["specs"]) == len(specs)
    for spec in found["specs"]:
        name, totals = spec["name"], spec["totals"]
        row = f"| [{name}](specs/{name}.yaml) | {totals['params']:,} | "
        assert row + f"{totals['macs']:,} | {totals['depth']} |" in README


def test_every_command_of_the_table_exists() -> None:
    from cnnspec.cli import COMMANDS

    told = set(re.findall(r"^\| `cnnspec (\w+)", README, re.M))
    assert told == set(COMMANDS)


def test_every_link_leads_to_a_file() -> None:
    root = Path(__file__).parents[1]
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (root / link).exists()] == []
