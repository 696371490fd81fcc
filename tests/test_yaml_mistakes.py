"""YAML text with mistakes in; one diagnostic at each mistake, within limits, out."""

from __future__ import annotations

import gc
import math
import time

import pytest
import yaml

from cnnspec import yamltree
from cnnspec.diagnostics import Bag
from cnnspec.source import SourceFile, decode
from cnnspec.yamltree import parse
from tests.trees import faults, laughs, read, scalar, tree, values

# ---- documents, keys, tags, anchors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("CS021", 1, 1)]),
        ("# only this\n", [("CS021", 1, 1)]),
        ("---\n...\n", [("CS021", 1, 1)]),
        ("- a\n- b\n", [("CS022", 1, 1)]),
        ("text\n", [("CS022", 1, 1)]),
        ("\n\n[]\n", [("CS022", 3, 1)]),
        ("a: 1\n---\nb: 1\n", [("CS020", 2, 1)]),
        ("a: 1\n---\n", [("CS020", 2, 1)]),
        ("1: x\n", [("CS023", 1, 1)]),
        ("~: x\n", [("CS023", 1, 1)]),
        ("true: x\n", [("CS023", 1, 1)]),
        ("? [a]\n: x\n", [("CS023", 1, 3)]),
        ("{{a: 1}: x}\n", [("CS023", 1, 2)]),
        ("1.5: x\n2: y\n", [("CS023", 1, 1), ("CS023", 2, 1)]),
        ("a: !!int 1\n", [("CS018", 1, 4)]),
        ("a: !x [1]\n", [("CS018", 1, 4)]),
        ("a: ! x\n", [("CS018", 1, 4)]),
        ("!!map {a: 1}\n", [("CS018", 1, 1)]),
        ("%YAML 1.1\n---\na: 1\n", [("CS018", 1, 1)]),
        ("%TAG ! tag:x,2024:\n---\na: 1\n", [("CS018", 1, 1)]),
        ("a: {<<: {b: 1}}\n", [("CS017", 1, 5)]),
        ("a: *b\n", [("CS015", 1, 4)]),
        ("a: *b\nb: &b 1\n", [("CS015", 1, 4)]),
        ("a: &a [*a]\n", [("CS016", 1, 8)]),
        ("a: &a {b: {c: *a}}\n", [("CS016", 1, 15)]),
        ("&a a: *a\nb: &b {*b : 1}\n", [("CS016", 2, 8)]),
        ('a: "x\\u202ey"\n', [("CS005", 1, 4)]),
        ('a: "x\\0"\n', [("CS005", 1, 4)]),
    ],
)
def test_what_a_spec_may_not_hold_is_placed(
    text: str, expected: list[tuple[str, int, int]]
) -> None:
    found = faults(text)
    # A key that is no text is reported beside what it is made of.
    assert [it for it in found if it[0] != "CS023" or it in expected] == expected


def test_an_alias_is_the_very_node_of_its_anchor() -> None:
    root = tree("a: &a {b: [1]}\nc: *a\nd: [*a, *a]\n")
    assert root.get("c") is root.get("a")
    assert values(root)["d"] == [{"b": [1]}, {"b": [1]}]


def test_an_anchored_text_can_be_a_key() -> None:
    assert values(tree("x: &k name\n*k : 1\n")) == {"x": "name", "name": 1}


def test_a_quoted_double_arrow_is_a_key() -> None:
    assert values(tree('"<<": 1\n')) == {"<<": 1}


def test_escapes_for_line_ends_and_tabs_are_text() -> None:
    assert scalar('"a\\n\\tb\\xe9"').value == "a\n\tbé"


def test_nothing_is_parsed_once_reading_has_failed() -> None:
    bag = Bag()
    source = decode("x", b"a: \xff\n", bag)
    assert parse(source, bag) is None
    assert [d.code for d in bag.sorted()] == ["CS004"]


# ---- expressions that YAML cuts


@pytest.mark.parametrize(
    ("text", "column", "reads", "whole"),
    [
        ("{squeeze: $(max(1, c // 4)), d: 1}", 11, "$(max(1", '"$(max(1, c // 4))"'),
        ("{a: $(max(1, a)), a: 2}", 5, "$(max(1", '"$(max(1, a))"'),
        ("a: [$(min(1, b)), 2]", 5, "$(min(1", '"$(min(1, b))"'),
        ("a: [$(x[1])]", 5, "$(x", '"$(x[1])"'),
        ("a: [$(x])]", 5, "$(x", '"$(x])"'),
        ("a: {b: $(x})}", 8, "$(x", '"$(x})"'),
        ("a: $(x # y)", 4, "$(x", '"$(x # y)"'),
        ("a: $(x ? 1 : 2)", 4, "$(x ? 1", '"$(x ? 1 : 2)"'),
        ("{a: $(b == 'x, y')}", 5, "$(b == 'x", "\"$(b == 'x, y')\""),
        ('{a: $(b == "x, y")}', 5, '$(b == "x', "'$(b == \"x, y\")'"),
        ("{a: $(b == ')' and f(1, 2))}", 5, "$(b == ')' and f(1", None),
        ("{a: &x $(f(1, 2))}", 8, "$(f(1", '"$(f(1, 2))"'),
        ("{a: max(1, b), c: 2}", 5, "max(1", '"max(1, b)"'),
        ("{a: $(max(1,\n  b))}", 5, "$(max(1", '"$(max(1, b))"'),
    ],
)
def test_a_cut_expression_is_exactly_one_error(
    text: str, column: int, reads: str, whole: str | None
) -> None:
    root, (found,) = read(text + "\n")
    assert root is None
    assert (found.code, found.span[:2]) == ("CS012", (1, column))
    assert found.label == f"YAML reads only `{reads}`"
    if whole:
        assert found.help == f"quote it: {whole}"
    assert "YAML cut this" in found.message


def test_the_help_for_a_cut_expression_works() -> None:
    before = "a: {squeeze: $(max(1, in_channels // 4)), d: 1}\n"
    _, (found,) = read(before)
    quoted = str(found.help).removeprefix("quote it: ")
    fixed = before.replace("$(max(1, in_channels // 4))", quoted)
    assert values(tree(fixed)) == {
        "a": {"squeeze": "$(max(1, in_channels // 4))", "d": 1}
    }


def test_every_cut_expression_is_reported_and_nothing_that_follows() -> None:
    text = "a: 010\nb: {c: $(f(1, 2)), c: 020}\nd: {e: $(g(1, 2))}\nd: [\n"
    assert faults(text) == [("CS024", 1, 4), ("CS012", 2, 8), ("CS012", 3, 8)]


@pytest.mark.parametrize(
    "text", ["$(f(1)", "$(a == '(')", "$(a)) + 1", "f(1", "a (b # c"]
)
def test_a_parenthesis_that_yaml_did_not_cut_is_left_to_others(text: str) -> None:
    assert str(scalar(text).value).startswith(text.partition(" #")[0])


def test_an_expression_without_its_end_is_one_error_too() -> None:
    assert faults("a: {b: $(max(1, c, d: 2}\n") == [("CS012", 1, 8)]


# ---- broken syntax


@pytest.mark.parametrize(
    ("text", "expected", "message"),
    [
        ("a: b: c\n", ("CS010", 1, 5), "a second `:` in one value"),
        ("a: {x: 1\nb: 3\n", ("CS010", 1, 4), "`{` is never closed"),
        ("a: [1, 2\nb: 3\n", ("CS010", 1, 4), "`[` is never closed"),
        ("a: [1, 2", ("CS010", 1, 4), "`[` is never closed"),
        ("a: {b: [1, 2}\n", ("CS010", 1, 13), "expected `,` or `]`, found `}`"),
        ("a:\n  b: 1\n c: 2\n", ("CS010", 3, 2), "not indented like the others"),
        ("- a: {b: 1}\n   c: x\n", ("CS010", 2, 4), "indentation fits no line above"),
        ("a: 1\n  b: 2\n", ("CS010", 2, 3), "indented deeper than the line above"),
        ("a:\n  - x\n  y: 1\n", ("CS010", 3, 3), "a list entry must begin with `- `"),
        (
            "a:\n  -b: {c: 1}\n  - d\n",
            ("CS010", 2, 3),
            "`-` is not followed by a space",
        ),
        ("a\nb: 1\n", ("CS010", 1, 1), "this line has no `:`"),
        ("a: 1\nfoo\nb: 2\n", ("CS010", 2, 1), "this line has no `:`"),
        ("a: 'x\nb: 1\n", ("CS010", 1, 4), "this quote is never closed"),
        ("a: 'x\nb: 'y'\n", ("CS010", 1, 4), "this quote is closed on another line"),
        ("a: 'x' y\n", ("CS010", 1, 8), "text behind a finished value"),
        ("a: @x\n", ("CS010", 1, 4), "a plain value can't begin with `@`"),
        ("a: `x\n", ("CS010", 1, 4), "a plain value can't begin with ```"),
        ('a: "x\\q"\n', ("CS010", 1, 6), "unknown escape in a quoted text"),
        ('a: "\\ud800"\n', ("CS010", 1, 7), "found invalid Unicode character"),
        ("a: - b\n", ("CS010", 1, 4), "a list can't begin on the line of its key"),
        ("a: ]\n", ("CS010", 1, 4), "`]` stands where a value must be"),
        ("{a: 1}\nb: 2\n", ("CS010", 2, 1), "text after the end of the document"),
        ("a: &\n", ("CS010", 1, 5), "not YAML: did not find"),
        ("\ta: 1\n", ("CS011", 1, 1), "a tab indents this line"),
        ("a:\n\tb: 1\n", ("CS011", 2, 1), "a tab indents this line"),
        ("a:\n  b: 1\n\tc: 1\n", ("CS011", 3, 1), "a tab indents this line"),
        ("a:\n  \t- b: c: 1\n", ("CS011", 2, 3), "a tab indents this line"),
    ],
)
def test_broken_yaml_is_one_error_at_the_mistake(
    text: str, expected: tuple[str, int, int], message: str
) -> None:
    root, (found,) = read(text)
    assert root is None
    assert (found.code, *found.span[:2]) == expected
    assert message in found.message


def test_the_pure_parser_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("a: {b: 'x', c: [1, 010]}\n", "a:\n\tb: 1\n", "a: {b: $(f(1, 2))}\n")
    expected = [faults(text) for text in texts]
    good = values(tree("a: &a {b: 'x'}\nc: [*a, 1.5, ~]\n"))
    monkeypatch.setattr(yamltree, "_LOADER", yaml.SafeLoader)
    assert [faults(text) for text in texts] == expected
    assert values(tree("a: &a {b: 'x'}\nc: [*a, 1.5, ~]\n")) == good


def test_text_that_yaml_cannot_hold_is_no_traceback() -> None:
    bag = Bag()
    assert parse(SourceFile("x", "a: \x01\n"), bag) is None
    assert [d.code for d in bag.sorted()] == ["CS010"]


# ---- limits


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "[" * 30_000, "CS013"),
        ("? " * 100_000, "CS013"),
        ("- " * 100_000, "CS013"),
        ("{a: " * 30_000, "CS013"),
        ("".join(" " * i + "a:\n" for i in range(1000)), "CS013"),
        (laughs(9), "CS014"),
        ("a: [" + "1, " * 340_000 + "]", "CS014"),
        ("a: b\n" * 100_000, "CS019"),
        ("a: [" + "!t 1, " * 100_000 + "]", "CS018"),
        ("a: [" + "$(x, " * 200_000 + "]", "CS012"),
        ("a: '" + "x" * 1_000_000, "CS010"),
        ("&a " * 300_000, "CS010"),
    ],
)
def test_a_hostile_file_is_refused_quickly(text: str, code: str) -> None:
    # Of the process's own time: other tests may share the processor.
    start = time.process_time()
    root, found = read(text)
    assert time.process_time() - start < 3
    assert root is None
    assert found[0].code == code
    assert len(found) <= yamltree.MAX_FAULTS + 1


def test_depth_is_64_and_no_more() -> None:
    assert tree("a: " + "[" * 63 + "]" * 63)
    assert faults("a: " + "[" * 64 + "]" * 64) == [("CS013", 1, 67)]


def test_depth_counts_what_aliases_bring() -> None:
    half = "a: &a " + "[" * 32 + "]" * 32 + "\nb: "
    assert tree(half + "[" * 31 + "*a" + "]" * 31)
    assert faults(half + "[" * 32 + "*a" + "]" * 32) == [("CS013", 2, 36)]


def test_a_chain_of_aliases_cannot_grow_deeper_than_the_limit() -> None:
    chain = ["a0: &a0 [1]"]
    chain += [f"a{i}: &a{i} {{x: *a{i - 1}}}" for i in range(1, 100)]
    assert faults("\n".join(chain))[0][0] == "CS013"


def test_aliases_may_repeat_within_their_budget() -> None:
    assert values(tree(laughs(4)))["a3"][8][8][8][8] == 1


def test_time_grows_with_the_file_and_no_faster() -> None:
    def seconds(lines: int) -> float:
        text = "layers:\n" + "  - conv: {filters: 64, kernel: 3}\n" * lines
        best = math.inf
        for _ in range(3):
            start = time.process_time()
            tree(text)
            best = min(best, time.process_time() - start)
        return best

    gc.disable()
    try:
        seconds(100)
        assert seconds(16_000) < 3 * seconds(8_000)
    finally:
        gc.enable()
