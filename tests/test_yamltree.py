"""YAML text in; a tree with places, or diagnostics at the mistake, out."""

from __future__ import annotations

import gc
import json
import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec import yamltree
from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.source import SourceFile, Span, decode
from cnnspec.yamltree import Mapping, Node, Scalar, Sequence, parse, replace


def read(text: str) -> tuple[Mapping | None, list[Diagnostic]]:
    bag = Bag()
    return parse(
        decode("spec.yaml", text.encode("utf-8", "surrogatepass"), bag), bag
    ), (bag.sorted())


def tree(text: str) -> Mapping:
    root, found = read(text)
    assert not found
    assert root is not None
    return root


def values(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {key.text: values(value) for key, value in node.items}
    if isinstance(node, Sequence):
        return [values(item) for item in node.items]
    return node.value


def faults(text: str) -> list[tuple[str, int, int]]:
    root, found = read(text)
    assert root is None
    return [(d.code, d.span.line, d.span.column) for d in found]


def scalar(text: str) -> Scalar:
    node = tree(f"a: {text}\n").get("a")
    assert isinstance(node, Scalar)
    return node


# ---- values: YAML 1.2's core schema


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((it, None) for it in ("~", "null", "Null", "NULL", "")),
        *((it, True) for it in ("true", "True", "TRUE")),
        *((it, False) for it in ("false", "False", "FALSE")),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-19", -19),
        ("0x1F", 31),
        ("9" * 100, 10**100 - 1),
        ("1e-4", 1e-4),
        ("1e3", 1000.0),
        ("+1.5E+2", 150.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007.5", 7.5),
        ("-1e-400", -0.0),
        *(
            (it, it)
            for it in (
                *("yes", "no", "on", "off", "y", "n", "nULL", "tRUE", "None", "=", "."),
                *(
                    "-x",
                    "+",
                    "...x",
                    "3x3",
                    "1.2.3",
                    "1e",
                    "e5",
                    "nan",
                    "inf",
                    "-inf",
                ),
                *("0x", "0xg", "1-2", "12:99", "2024-1", "$x", "$$x", "٣", "1٣", "1,5"),
            )
        ),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    node = scalar(text)
    assert node.value == value
    assert type(node.value) is type(value)
    assert node.text == text
    assert node.plain


@pytest.mark.parametrize("text", ["1.10", "1e-4", "0x1F", "+1"])
def test_a_number_keeps_its_text(text: str) -> None:
    assert scalar(text).text == text


@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
@pytest.mark.parametrize("text", ["010", "1:30", "true", "~", ".nan", "<<", "$(f(1"])
def test_quoted_scalars_and_blocks_are_text(quote: str, text: str) -> None:
    node = scalar(quote.format(text))
    assert (node.value, node.plain) == (text, False)


@pytest.mark.parametrize(
    ("text", "one", "two"),
    [
        ("010", "8", "10"),
        ("-017", "-15", "-17"),
        ("08", "text", "8"),
        ("00", "0", "0"),
        ("0o10", "text", "8"),
        ("0b101", "5", "text"),
        ("0x1_F", "31", "text"),
        ("-0x1F", "-31", "text"),
        ("1_000", "1000", "text"),
        ("1_0.5", "10.5", "text"),
        ("1:30", "90", "text"),
        ("-1:30:00", "-5400", "text"),
        ("190:20:30.15", "685230", "text"),
        ("2024-13-45", "a date", "text"),
        ("2001-12-14t21:59:43.10-05:00", "a date", "text"),
        ("0b", None, None),
        ("0x_", "text", "text"),
    ],
)
def test_what_yaml_readers_disagree_on_is_refused(
    text: str, one: str | None, two: str | None
) -> None:
    if one is None:
        assert scalar(text).value == text
        return
    root, (found,) = read(f"a: {text}\n")
    assert root is None
    assert (found.code, found.span) == ("CS024", Span(1, 4, 1, 4 + len(text)))
    assert found.label == f"{one} in YAML 1.1, {two} in YAML 1.2"
    assert f'quote it: "{text}"' in str(found.help)


def test_pyyaml_as_a_reader_of_yaml_1_1_agrees_with_the_hints() -> None:
    for text in ("010", "-017", "0b101", "0x1_F", "-0x1F", "1_000", "1:30", "-1:30:00"):
        _, (found,) = read(f"a: {text}\n")
        assert found.label.startswith(f"{yaml.safe_load(text)} in YAML 1.1")


@pytest.mark.parametrize(
    "text",
    [".nan", ".NaN", ".inf", "-.INF", "+.Inf", "1e999", "9" * 101, "9" * 5000]
    + ["1." + "0" * 200, "0x" + "f" * 100],
)
def test_numbers_out_of_range_are_refused(text: str) -> None:
    assert faults(f"a: {text}\n") == [("CS025", 1, 4)]


def test_kinds_are_named_for_messages() -> None:
    root = tree("a: 1\nb: 1.5\nc: true\nd:\ne: x\nf: $x\ng: $$x\nh: []\ni: {}\n")
    assert [value.kind for _, value in root.items] == [
        *("an integer", "a number", "a boolean", "nothing", "text", "an expression"),
        *("text", "a list", "a mapping"),
    ]


# ---- places


def test_every_node_knows_its_place() -> None:
    root = tree("a: 1\nlist:\n  - {b: 'x y', c: }\n  - d\n\n\nlast: 2\n")
    items = root.get("list")
    assert isinstance(items, Sequence)
    first = items.items[0]
    assert isinstance(first, Mapping)
    assert first.span == Span(3, 5, 3, 20)
    assert first.flow
    key, value = first.key("b"), first.get("b")
    assert key is not None
    assert value is not None
    assert (key.span, value.span) == (Span(3, 6, 3, 7), Span(3, 9, 3, 14))
    # A block ends with its last entry, not where the next key begins.
    assert items.span == Span(3, 3, 4, 6)
    assert not items.flow
    assert root.span == Span(1, 1, 7, 8)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_alike_on_every_system(end: str) -> None:
    assert faults(f"a: ü😀{end}b: 1{end}c: 010{end}") == [("CS024", 3, 4)]


def test_a_duplicate_key_shows_both_places() -> None:
    root, (found,) = read('a:\n  b: 1\n  c: 2\n  "b": 3\n')
    assert root is None
    assert (found.code, found.span) == ("CS019", Span(4, 3, 4, 6))
    assert [label.span for label in found.related] == [Span(2, 3, 2, 4)]


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
        ("a:\n  b: 1\n c: 2\n", ("CS010", 3, 2), "indentation fits no line above"),
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


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level in range(1, levels):
        inner = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{inner}]")
    return "\n".join(lines)


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


# ---- changed trees


def test_with_item_replaces_or_appends_in_a_copy() -> None:
    root = tree("a: 1\nb: 2\n")
    new = Scalar(Span(1, 1, 1, 1), "9", 9, True)
    assert values(root.with_item("a", new)) == {"a": 9, "b": 2}
    assert values(root.with_item("c", new)) == {"a": 1, "b": 2, "c": 9}
    assert values(root) == {"a": 1, "b": 2}
    assert "c" not in root


def test_replace_finds_one_object_and_shares_the_rest() -> None:
    root = tree("a: [1, {b: 1}]\nc: {d: 1}\n")
    a = root.get("a")
    assert isinstance(a, Sequence)
    new = Scalar(Span(1, 1, 1, 1), "9", 9, True)
    changed = replace(root, a.items[1], new)
    assert values(changed) == {"a": [1, 9], "c": {"d": 1}}
    assert isinstance(changed, Mapping)
    assert changed.get("c") is root.get("c")
    assert values(root) == {"a": [1, {"b": 1}], "c": {"d": 1}}
    assert replace(root, new, a) is root
    assert replace(root, root, new) is new


def test_replace_reaches_every_alias_once() -> None:
    root = tree(laughs(5))
    first = root.get("a0")
    assert isinstance(first, Sequence)
    new = Scalar(Span(1, 1, 1, 1), "9", 9, True)
    changed = replace(root, first.items[0], new)
    assert isinstance(changed, Mapping)
    assert values(changed)["a2"][3][4] == [9, 1, 1, 1, 1, 1, 1, 1, 1]


# ---- properties

SOUP = st.lists(
    st.sampled_from(
        [
            "a",
            "b: ",
            ": ",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            "$(",
            "(",
        ]
        + [
            ")",
            "'",
            '"',
            "#",
            " # ",
            "&x ",
            "*x",
            "!t ",
            "|",
            ">",
            "? ",
            "---",
            "%",
            "\t",
        ]
        + [
            "1",
            "010",
            "<<",
            "\\",
            "é",
            "max(1, 2)",
            "\r\n",
            "...",
            "~",
            "1:30",
            "@",
            "`",
        ]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(SOUP, st.text(max_size=40)))
def test_any_text_gives_a_tree_or_a_diagnostic(text: str) -> None:
    root, found = read(text)
    assert (root is None) == bool(found)
    lines = SourceFile("x", text).lines
    for d in found:
        assert 1 <= d.span.line <= len(lines) + 1
        assert d.span[:2] <= d.span[2:]


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")),
    max_size=8,
).filter(
    lambda text: (
        not set(text) & set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffe\uffff")
    )
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal, types included: 1, 1.0 and True differ."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_json_is_read_as_what_it_is(value: dict[str, Any]) -> None:
    plain = json.dumps(value, ensure_ascii=False)
    assert same(values(tree(plain)), value)
    if max(plain) < "\U00010000":  # YAML has no surrogate pairs
        assert same(values(tree(json.dumps(value))), value)


class YamlOf12(yaml.SafeDumper):
    """Quotes what YAML 1.2 would read as a number and PyYAML, of YAML 1.1, would not."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if text[:1] in "0123456789+-." or not text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


YamlOf12.add_representer(str, _quoted)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXT, VALUES, max_size=4), st.sampled_from([None, True, False]))
def test_yaml_is_read_as_what_was_written(
    value: dict[str, Any], flow: bool | None
) -> None:
    text = yaml.dump(
        value,
        Dumper=YamlOf12,
        default_flow_style=flow,
        allow_unicode=True,
        sort_keys=False,
    )
    root, found = read(text)
    # A text such as `(` or `a(, b` is plain YAML, yet looks like an expression in pieces.
    if not found or found[0].code != "CS012":
        assert root is not None
        assert same(values(root), value)
