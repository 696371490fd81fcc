"""Expressions as data, and their values."""

from __future__ import annotations

import pytest

from cnnspec.expressions import (
    RESERVED_NAMES,
    Binary,
    ExpressionError,
    Literal,
    Name,
    Value,
    evaluate,
    names,
)
from tests.parsing import read


def value(inner: str, **scope: Value) -> Value:
    return evaluate(read(f"$({inner})"), scope)


def failure(inner: str, **scope: Value) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(inner, **scope)
    return caught.value


def same(a: Value, b: Value) -> bool:
    return type(a) is type(b) and a == b


def test_nodes_of_equal_content_and_other_type_differ() -> None:
    distinct = [Literal(1), Literal(True), Literal(1.0), Literal("a"), Name("a")]
    assert len(set(distinct)) == len(distinct)
    assert Binary("+", Name("a"), Literal(1)) == Binary("+", Name("a"), Literal(1))
    assert hash(Binary("+", Name("a"), Literal(1))) == hash(
        Binary("+", Name("a"), Literal(1))
    )


def test_names_of_every_branch_are_found() -> None:
    assert names(read("$(a if b else max(c, 2 * d))")) == {"a", "b", "c", "d"}


def test_reserved_names_are_what_expressions_take_for_themselves() -> None:
    assert {"min", "round", "true", "False"} <= RESERVED_NAMES


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("-7 // 2", -4),
        ("-7 % 4", 1),
        ("8 / 2", 4.0),
        ("2 ** -1", 0.5),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("7.5 // 2", 3.0),
        ("round(2.5)", 2),
        ("round(3.5)", 4),
        ("ceil(7 / 2)", 4),
        ("floor(-0.5)", -1),
        ("min(3, 2.5, 4)", 2.5),
        ("max(1, 16 // 4)", 4),
        ("10 ** 18 * 7 + 1", 7 * 10**18 + 1),
        ("1 < 2 < 3", True),
        ("1 < 2 > 2", False),
        ("1 == 1.0", True),
        ("mode == 'same'", True),
        ("mode == 1", False),
        ("kernel == 3", False),
        ("true and not false", True),
        ("n == 0 or 8 // n == 2", True),
        ("n != 0 and 8 // n == 2", False),
        ("1 if n == 0 else 8 // n", 1),
    ],
)
def test_values_follow_python(inner: str, expected: Value) -> None:
    assert same(value(inner, mode="same", n=0, kernel=(1, 7)), expected)


def test_a_name_hands_its_value_on_whole() -> None:
    assert evaluate(read("$kernel"), {"kernel": (1, 7)}) == (1, 7)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("1 // n", "division by zero: 1 // 0"),
        ("1 % n", "division by zero: 1 % 0"),
        ("1 / 0.0", "division by zero: 1 / 0.0"),
        ("n ** -1", "division by zero: 0 ** -1"),
        ("mode * 2", '`*` takes numbers, gets the text "same"'),
        ("mode + mode", '`+` takes numbers, gets the text "same"'),
        ("mode < 'z'", '`<` takes numbers, gets the text "same"'),
        ("true + 1", "`+` takes numbers, gets true"),
        ("-true", "`-` takes numbers, gets true"),
        ("max(1, kernel)", "`max` takes numbers, gets a list"),
        ("not 1", "`not` takes true or false, gets 1"),
        ("n or true", "`or` takes true or false, gets 0"),
        ("true and 1", "`and` takes true or false, gets 1"),
        ("1 if n else 2", "`if` takes true or false, gets 0"),
        ("true == 1", "`==` compares true with 1"),
        ("mode != true", '`!=` compares the text "same" with true'),
        ("(0 - 2) ** 0.5", "-2 ** 0.5 is no real number"),
    ],
)
def test_a_meaningless_operation_is_refused(inner: str, message: str) -> None:
    error = failure(inner, n=0, mode="same", kernel=(1, 7))
    assert (error.code, error.message) == ("CS204", message)


@pytest.mark.parametrize(
    "inner",
    ["9 ** 9 ** 9", "2 ** 256", "10 ** 70 * 10 ** 70", "1e300 * 1e300", "1e300 ** 2"]
    + ["round(1e300)", "2 ** 255 + 2 ** 255", "2 ** 200 ** 2.0", "2.0 ** 10 ** 9"],
)
def test_a_result_beyond_the_limits_is_refused(inner: str) -> None:
    error = failure(inner)
    assert error.code == "CS204"
    assert "is too large" in error.message


@pytest.mark.parametrize("inner", ["2 ** 255", "1 ** 10 ** 70", "0 ** 10 ** 70"])
def test_a_result_within_the_limits_is_exact(inner: str) -> None:
    assert value(inner) in (2**255, 1, 0)


def test_an_unknown_name_is_told_from_the_known_ones() -> None:
    error = failure("widht * 4", width=64, stride=1)
    assert (error.code, error.message) == ("CS203", "unknown name `widht`")
    assert error.help == "did you mean `width`?"
    assert failure("zzz", width=64, stride=1).help == "known here: stride, width"
    assert "declare it" in (failure("__class__").help or "")
