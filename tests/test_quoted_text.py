"""Text and values from a spec can't break out of the source that they enter."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec.emit.call import Call, one_line, statement
from cnnspec.emit.quote import Scalar, Value, comment, docstring, literal
from tests.ruffed import program, ruff

STEADY = settings(derandomize=True, deadline=None, max_examples=20)

HOSTILE = (*"\"'\\\n\r\t\f\v\0{}#%", "\x85", "\u2028", "\u202e", "\u200b", "\ud800")
words = st.lists(st.sampled_from((*HOSTILE, *"   aNux\xe9", "word", '"""'))).map(
    "".join
)
scalars: st.SearchStrategy[Scalar] = (
    words
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
values: st.SearchStrategy[Value] = st.recursive(
    scalars | st.none(),
    lambda value: (
        st.lists(value) | st.lists(value).map(tuple) | st.dictionaries(words, value)
    ),
    max_leaves=8,
)


@given(values)
def test_literal_is_the_value_in_printable_ascii(value: Value) -> None:
    source = one_line(literal(value))
    assert ast.literal_eval(source) == value
    assert source.isascii() and source.isprintable()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e-05, "1e-5"),
        (1e16, "1e16"),
        (0.1, "0.1"),
        (True, "True"),
        ("it's", '"it\'s"'),
        ('a "b"', "'a \"b\"'"),
        ("\xe9\u202e", '"\\xe9\\u202e"'),
        ((1,), "(1,)"),
        (float("-inf"), 'float("-inf")'),
    ],
)
def test_literal_of(value: Value, expected: str) -> None:
    assert one_line(literal(value)) == expected


@given(words)
def test_comment_is_one_printable_line(text: str) -> None:
    line = comment(text)
    assert line.startswith("# ") == bool(text.split()) and line.isprintable()
    assert ast.dump(ast.parse(f"{line}\nx = 1")) == ast.dump(ast.parse("x = 1"))


@given(words)
def test_docstring_has_the_words_and_nothing_else(text: str) -> None:
    body = docstring(text, 4, width=40) or ["    pass"]
    (node,) = ast.parse("\n".join(["def f():", *body])).body
    assert isinstance(node, ast.FunctionDef) and len(node.body) == 1
    assert (ast.get_docstring(node) or "").split() == text.split()


@STEADY
@given(st.lists(st.tuples(words, values, words), min_size=20, max_size=40))
def test_ruff_keeps_text_and_values(parts: list[tuple[str, Value, str]]) -> None:
    bodies = []
    for text, value, note in parts:
        tail = statement("", Call("repr", (literal(value),)), 4, comment(note))
        bodies.append([*docstring(text, 4), *tail])
    ours = program(bodies)
    assert ruff("format", ours) == ours
    ruff("check", ours)


def test_docstring_wraps_words_at_the_width() -> None:
    assert docstring("One two three.\n\n\nFour five six seven.\n", 4, width=20) == [
        '    """One two',
        "    three.",
        "",
        "    Four five six",
        "    seven.",
        '    """',
    ]
    assert docstring("Short.", 4, width=20) == ['    """Short."""']
    assert docstring(" \n", 4) == []
