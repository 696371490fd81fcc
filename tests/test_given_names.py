"""Names that a spec gives: quotes are YAML's and change nothing, other values are no names."""

from __future__ import annotations

import pytest

from cnnspec.compile import Checked, check_source
from cnnspec.source import SourceFile

HEAD = "cnnspec: 1\ninput: {features: 4}\n"


def check(text: str) -> Checked:
    return check_source(SourceFile("spec.yaml", HEAD + text), {})


@pytest.mark.parametrize("written", ["first", "'first'", '"first"'])
def test_quotes_around_a_name_change_nothing(written: str) -> None:
    layers = f"layers:\n  - relu:\n    name: {written}\n"
    checked = check(f"name: {written}\n{layers}")
    assert checked.diagnostics == []
    assert checked.spec is not None and checked.graph is not None
    assert checked.spec.name == "first"
    assert [node.path for node in checked.graph.layers] == ["first"]


@pytest.mark.parametrize("written", ["", "~", "null", "5", '"5"', "[first]", "{a: b}"])
def test_what_is_no_name_is_refused_where_it_stands(written: str) -> None:
    layers = f"layers:\n  - relu:\n    name: {written}\n"
    of_spec = check(f"name: {written}\nlayers: [relu]\n").diagnostics
    of_layer = check(f"name: net\n{layers}").diagnostics
    for (found,), line in ((of_spec, 3), (of_layer, 6)):
        assert (found.code, found.severity) == ("CS111", "error")
        assert found.span.line == line
