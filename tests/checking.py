"""Texts of specs enter; what `cnnspec check --format json` says of them leaves."""

from __future__ import annotations

import json
from textwrap import dedent, indent
from typing import Any

from click.testing import CliRunner

from cnnspec.cli import cli
from cnnspec.compile import Checked, check_source
from cnnspec.diagnostics import Bag
from cnnspec.render import render_concise, render_text
from cnnspec.report import spec_json, table
from cnnspec.source import decode

HEAD = "cnnspec: 1\nname: example\n"
INPUT = "input: {channels: 4, height: 8, width: 8}\n"


def check(text: str, *args: str) -> dict[str, Any]:
    """The JSON of one spec on standard input; `text` may leave out version, name and input."""
    result = CliRunner().invoke(
        cli, ["check", "-", "--format", "json", *args], input=whole(text)
    )
    assert result.exit_code in (0, 1), result.output
    document: dict[str, Any] = json.loads(result.output)
    (spec,) = document["specs"]
    assert spec["ok"] == (result.exit_code == 0)
    return dict(spec)


def whole(text: str) -> str:
    text = dedent(text).lstrip("\n")
    if text.startswith("cnnspec:"):
        return text
    if text.startswith("- "):
        text = "layers:\n" + indent(text, "  ")
    return HEAD + ("" if "\ninput" in f"\n{text}" else INPUT) + text


# Layers that stand for any layer in a test may be idle: two activations in a row, a lost bias.
IDLE = {"CS405", "CS407"}


def fine(text: str, *args: str) -> dict[str, Any]:
    """The same of a spec without findings."""
    spec = check(text, *args)
    assert [d for d in spec["diagnostics"] if d["code"] not in IDLE] == []
    return spec


def shapes(text: str, *args: str) -> dict[str, list[int]]:
    """Output shapes by path, of a spec without findings."""
    return {layer["path"]: layer["outputs"][0] for layer in fine(text, *args)["layers"]}


def codes(text: str, *args: str) -> list[str]:
    return [d["code"] for d in check(text, *args)["diagnostics"]]


def full_check(text: str) -> Checked | None:
    """All of a check, reports included; None where the text can't be read."""
    bag = Bag()
    source = decode("spec.yaml", text.encode(), bag)
    if bag.has_errors:
        return None
    checked = check_source(source, {})
    render_text(checked.diagnostics, source, False, 80)
    render_concise(checked.diagnostics, source)
    report = spec_json(checked)
    assert report["ok"] == (not checked.has_errors)
    assert (report["totals"] is None) == checked.has_errors
    if not checked.has_errors:
        assert table(checked, True, 80, False)
    for found in checked.diagnostics:
        assert 1 <= found.span.line <= len(source.lines) + 1
        assert found.span.column >= 1
    return checked
