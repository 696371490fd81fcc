"""YAML text in; a tree with places, or diagnostics at the mistake, out."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec.source import SourceFile, Span
from cnnspec.yamltree import Mapping, Scalar, Sequence, replace
from tests.trees import faults, laughs, read, scalar, tree, values

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
    """Quotes what reads as a number in YAML 1.2 and not in PyYAML's YAML 1.1."""


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
    # A text such as `a(` before a comma looks like an expression in pieces.
    if not found or found[0].code != "CS012":
        assert root is not None
        assert same(values(root), value)
