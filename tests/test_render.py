"""Diagnostics in; terminal text, workflow commands, JSON, SARIF and code pages out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnnspec.diagnostics import Diagnostic, Label, severity_of
from cnnspec.render import (
    cells,
    diagnostic_json,
    render_concise,
    render_github,
    render_text,
    summary,
)
from cnnspec.sarif import to_sarif
from cnnspec.source import SourceFile, Span

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def place(line: int, start: int, end: int, end_line: int | None = None) -> Span:
    return Span(line, start, end_line or line, end)


def found(
    code: str, message: str, span: Span, label: str = "", **more: Any
) -> Diagnostic:
    return Diagnostic(code, severity_of(code), message, span, label, **more)


def shown(text: str, *diagnostics: Diagnostic, width: int = 80) -> list[str]:
    source = SourceFile("tiny.yaml", text)
    return render_text(diagnostics, source, False, width).splitlines()


# ---- text


def test_one_diagnostic_looks_like_the_compilers_that_people_know() -> None:
    text = "\n" * 13 + "  - conv: {filters: 64, kernel: 7, padding: valid}\n"
    diagnostic = found(
        "CS301",
        "kernel is larger than its padded input",
        place(14, 33, 34),
        "needs 7x7, gets 4x4",
        notes=("in block `stage`, repeat 3 of 4, used at tiny.yaml:22:5",),
        help="use `padding: same`, or a kernel of at most 4",
    )
    assert shown(text, diagnostic) == [
        "error[CS301]: kernel is larger than its padded input",
        "  --> tiny.yaml:14:33",
        "   |",
        "14 |   - conv: {filters: 64, kernel: 7, padding: valid}",
        "   |                                 ^ needs 7x7, gets 4x4",
        "   = note: in block `stage`, repeat 3 of 4, used at tiny.yaml:22:5",
        "   = help: use `padding: same`, or a kernel of at most 4",
    ]


def test_related_places_stand_in_the_same_snippet() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 13))
    diagnostic = found(
        "CS302",
        "the branches cannot be added",
        place(3, 1, 5),
        "32 + 64",
        related=(Label(place(5, 6, 7), "gives 32"), Label(place(11, 6, 8), "gives 64")),
    )
    assert shown(text, diagnostic)[2:] == [
        "   |",
        " 3 | line 3",
        "   | ^^^^ 32 + 64",
        " 4 | line 4",
        " 5 | line 5",
        "   |      - gives 32",
        "...",
        "11 | line 11",
        "   |      -- gives 64",
    ]


def test_several_marks_on_a_line_hang_their_labels() -> None:
    diagnostic = found(
        "CS019",
        "m",
        place(1, 9, 12),
        "second",
        related=(Label(place(1, 1, 4), "first"), Label(place(1, 17, 20), "third")),
    )
    assert shown("one two three four x", diagnostic)[3:] == [
        "1 | one two three four x",
        "  | ---     ^^^     --- third",
        "  | |       |",
        "  | |       second",
        "  | first",
    ]


def test_a_mark_inside_another_is_seen() -> None:
    diagnostic = found(
        "CS019", "m", place(1, 1, 10), "whole", related=(Label(place(1, 5, 8), "part"),)
    )
    assert shown("one two three", diagnostic)[4:] == [
        "  | ^^^^---^^",
        "  | |   |",
        "  | |   part",
        "  | whole",
    ]


def test_wide_letters_combining_marks_and_tabs_keep_the_caret_in_place() -> None:
    text = "日本: e\u0301 é\t[x]"
    at = text.index("[") + 1
    rows = shown(text, found("CS100", "m", place(1, at, at + 3), "here"))
    assert rows[3] == "1 | 日本: e\u0301 é    [x]"
    assert rows[4] == "  |" + " " * (1 + 4 + 2 + 1 + 1 + 1 + 4) + "^^^ here"


def test_a_span_over_several_lines_marks_its_first() -> None:
    rows = shown("a:  \n  b: 1\n", found("CS100", "m", place(1, 1, 7, 2), "all of it"))
    assert rows[3:] == ["1 | a:", "  | ^^ all of it"]


@pytest.mark.parametrize("span", [place(1, 5, 5), place(1, 5, 6), place(2, 1, 1)])
def test_a_span_without_width_or_at_the_end_gets_one_caret(span: Span) -> None:
    rows = shown("a: b\n", found("CS100", "m", span, "here"))
    assert rows[-1].strip(" |") == "^ here"


@pytest.mark.parametrize("text", ["", "a: b\n"])
def test_without_a_line_to_quote_the_labels_become_notes(text: str) -> None:
    related = (Label(place(8, 2, 3), "made here"),)
    diagnostic = found("CS100", "m", place(9, 1, 1), "told", related=related)
    assert shown(text, diagnostic) == [
        "error[CS100]: m",
        " --> tiny.yaml:9:1",
        "  = note: told",
        "  = note: made here: line 8, column 2",
    ]


def test_a_long_line_is_shown_around_its_mark() -> None:
    text = "a: {" + ", ".join(f"k{i}: {i}" for i in range(100)) + "}"
    at = text.index("k50") + 1
    related = (Label(place(1, 5, 7), "first here"),)
    diagnostic = found(
        "CS019", "m", place(1, at, at + 3), "here again", related=related
    )
    rows = shown(text, diagnostic, width=60)
    assert all(cells(row) <= 60 for row in rows)
    quoted, marks = rows[3], rows[4]
    assert quoted[4:8] == "... "
    assert quoted.endswith(" ...")
    assert quoted[marks.index("^^^") :].startswith("k50")
    assert rows[5] == "  = note: first here: line 1, column 5"


@settings(max_examples=150)
@given(
    st.text(st.sampled_from("a日\u0301\t\x1b é"), min_size=1, max_size=200),
    st.integers(0, 200),
    st.integers(0, 20),
    st.integers(20, 100),
)
@example("a" * 16 + "\x1b" * 5 + "a" * 6 + "日" * 6, 22, 0, 20)  # wide before the mark
def test_the_mark_always_stands_under_its_text(
    text: str, start: int, length: int, width: int
) -> None:
    text = text[:start] + "[" + "x" * length + "]" + text[start:]
    at = text.index("[")
    rows = shown(
        text,
        found("CS100", "m", place(1, at + 1, at + length + 3), "here"),
        width=width,
    )
    marks = rows[4]
    before = quoted = ""
    for char in rows[3]:
        if cells(before) == marks.index("^") and cells(char):
            quoted += char
        else:
            before += char
        if quoted:
            break
    assert quoted == "["


def test_nothing_of_a_spec_reaches_the_terminal_as_a_command() -> None:
    bad = "\x1b[31m\r\x07\x9b\u202e\u200b\ufeff\ud800"
    source = SourceFile(bad, f"a: {bad}\n")
    diagnostic = found(
        "CS100",
        bad,
        place(1, 4, 8),
        bad,
        notes=(bad,),
        help=bad,
        related=(Label(place(1, 1, 2), bad),),
    )
    for text in (
        render_text([diagnostic], source, False, 80),
        render_concise([diagnostic], source),
        render_github([diagnostic], source),
    ):
        assert text.replace("\n", "").isprintable()
    assert r"\x1b[31m" in render_concise([diagnostic], source)


def test_colour_changes_nothing_but_colours() -> None:
    text = "one two three four x\n"
    source = SourceFile("tiny.yaml", text)
    diagnostics = [
        found(
            code,
            "m",
            place(1, 5, 8),
            "l",
            notes=("n",),
            help="h",
            related=(Label(place(1, 1, 3), "r"),),
        )
        for code in ("CS100", "CS401", "CS490")
    ]
    coloured = render_text(diagnostics, source, True, 80)
    assert ESCAPES.sub("", coloured) == render_text(diagnostics, source, False, 80)
    for severity, colour in (("error", 31), ("warning", 33), ("note", 36)):
        assert f"\x1b[1;{colour}m{severity}[" in coloured
    assert coloured.count("\x1b[1;31m^^^\x1b[0m") == 1


def test_the_summary_counts_by_severity() -> None:
    def of(*codes: str) -> str:
        return summary([found(code, "m", place(1, 1, 2)) for code in codes])

    assert of() == ""
    assert of("CS100") == "1 error"
    assert of("CS401", "CS402") == "2 warnings"
    assert of("CS100", "CS401", "CS200") == "2 errors and 1 warning"
    assert of("CS100", "CS401", "CS490") == "1 error, 1 warning and 1 note"


def test_concise_is_one_line_each() -> None:
    diagnostics = [
        found("CS100", "a\nb", place(1, 4, 5)),
        found("CS401", "c", place(2, 1, 2), "gets 3"),
    ]
    assert render_concise(diagnostics, SourceFile("t.yaml", "a: b\nc\n")) == (
        "t.yaml:1:4: error[CS100]: a\\x0ab\nt.yaml:2:1: warning[CS401]: c: gets 3\n"
    )


# ---- GitHub, JSON, SARIF


def test_github_commands_escape_what_would_end_them() -> None:
    source = SourceFile("a,b:c%.yaml", "x\n")
    diagnostic = found(
        "CS490", "50%\r\n::error::x", place(1, 1, 2), "label", notes=("n",), help="h"
    )
    assert render_github([diagnostic], source) == (
        "::notice file=a%2Cb%3Ac%25.yaml,line=1,col=1,endColumn=2,endLine=1,"
        "title=cnnspec CS490::50%25%0D%0A::error::x%0Alabel%0An%0Ahelp: h\n"
    )


def test_json_has_the_fields_of_the_contract() -> None:
    related = (Label(place(3, 1, 4), "made here"),)
    diagnostic = found(
        "CS301", "m", place(1, 4, 2, 2), "l", notes=("n",), related=related
    )
    assert diagnostic_json(diagnostic, "a.yaml") == {
        "code": "CS301",
        "severity": "error",
        "message": "m",
        "file": "a.yaml",
        "line": 1,
        "column": 4,
        "end_line": 2,
        "end_column": 2,
        "help": None,
        "notes": ["l", "n"],
        "related": [{"message": "made here", "file": "a.yaml", "line": 3, "column": 1}],
    }


def test_sarif_lists_each_rule_once_and_points_at_it() -> None:
    related = (Label(place(3, 1, 4), "first"),)
    one = found("CS019", "m", place(4, 1, 4), "again", help="h", related=related)
    two = found("CS480", "w", place(1, 1, 4))
    log = to_sarif([("specs/a b.yaml", [two, one]), ("b.yaml", [one])])
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["CS019", "CS480"]
    assert rules[0]["shortDescription"]["text"] == "a key given twice"
    assert [result["ruleIndex"] for result in run["results"]] == [1, 0, 0]
    assert [result["level"] for result in run["results"]] == [
        "warning",
        "error",
        "error",
    ]
    result = run["results"][1]
    assert result["message"]["text"] == "m\nagain\nhelp: h"
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "specs/a%20b.yaml"
    assert physical["region"] == {
        "startLine": 4,
        "startColumn": 1,
        "endLine": 4,
        "endColumn": 4,
    }
    assert result["relatedLocations"][0]["message"]["text"] == "first"


def test_sarif_of_nothing_is_a_run_without_results() -> None:
    (run,) = to_sarif([("a.yaml", [])])["runs"]
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []


def test_thousands_of_diagnostics_are_rendered_each() -> None:
    source = SourceFile("x", "a: 1\n" * 5000)
    many = [found("CS100", "m", place(line, 1, 2), "l") for line in range(1, 5001)]
    text = render_text(many, source, True, 80)
    assert text.count("error[CS100]") == 5000
