"""Rewriting expressions and writing them as Python."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnspec.algebra import is_integer, simplify, substitute
from cnnspec.expressions import (
    MAX_NODES,
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    ExpressionError,
    Literal,
    Logic,
    Name,
    Unary,
    Value,
    evaluate,
)
from cnnspec.unparse import literal_source, needs_math, unparse
from tests.parsing import read

unhurried = settings(deadline=None)  # the machine may be busy


def same(a: Value, b: Value) -> bool:
    return type(a) is type(b) and a == b


def test_the_largest_expressions_allowed_can_be_worked_on() -> None:
    for inner in ("-" * (MAX_NODES - 1) + "a", "a" + " + a" * (MAX_NODES // 2 - 1)):
        expr = read(f"$({inner})")
        assert same(evaluate(simplify(expr), {"a": 3}), evaluate(expr, {"a": 3}))
        assert unparse(substitute(expr, {"a": Name("b")})).count("b") == inner.count(
            "a"
        )


# Simplifying and writing, by example


@pytest.mark.parametrize(
    ("inner", "simple"),
    [
        ("width * 2 * 2", "width * 4"),
        ("2 * (2 * width)", "4 * width"),
        ("64 + 32 + 32", "128"),
        ("(a + 32) + 32", "a + 64"),
        ("64 + index * 32", "64 + index * 32"),
        ("x + x", "x * 2"),
        ("2 * x + x", "3 * x"),
        ("x - x", "0"),
        ("-x + y", "y - x"),
        ("a - (b - a)", "a * 2 - b"),
        ("a * b - b * a", "0"),
        ("(a + 2) * 4", "(a + 2) * 4"),
        ("x * 1 + 0", "x"),
        ("x * 0", "0"),
        ("x // 1", "x"),
        ("x % 1", "0"),
        ("(x // 4) * 4", "x // 4 * 4"),
        ("(x * 4) // 4", "x"),
        ("(x * 4 + 8) // 4", "x + 2"),
        ("x * 2 // 4", "x // 2"),
        ("x // 2 // 4", "x // 8"),
        ("x * 6 % 3", "0"),
        ("ceil(x)", "x"),
        ("ceil(x / 2)", "math.ceil(x / 2)"),
        ("max(x, x)", "x"),
        ("1 / 3", "1 / 3"),
        ("6 / 3", "2.0"),
        ("2 ** 64 * 1", "2**64"),
        ("2 ** 10 * 4", "4096"),
        ("4 * width == width * 4", "True"),
        ("a + 1 > a", "True"),
        ("a != b or false", "a != b"),
        ("not a == b", "a != b"),
        ("not (flag and a < b)", "not (flag and a < b)"),
        ("flag == true", "flag"),
        ("flag == false", "not flag"),
        ("a and (b and a)", "a and b"),
        ("a and 1 > 2", "False"),
        ("a if 1 < 2 else b", "a"),
        ("a if c else a", "a"),
        ("rate * 2 * 2", "rate * 2 * 2"),
        ("rate // 1", "rate // 1"),
        ("rate * 1 + 0", "rate"),
    ],
)
def test_simplest_form(inner: str, simple: str) -> None:
    assert unparse(simplify(read(f"$({inner})"), FLOATS)) == simple


@pytest.mark.parametrize(
    ("inner", "source"),
    [
        ("(width)*(4)", "width * 4"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a*b)//c", "a * b // c"),
        ("2**i", "2**i"),
        ("2**(i+1)", "2 ** (i + 1)"),
        ("(-a)**2", "(-a) ** 2"),
        ("2**-a", "2**-a"),
        ("-a**2", "-(a**2)"),
        ("a**b**c", "a ** (b**c)"),
        ("(a if b else c) if d else e", "(a if b else c) if d else e"),
        ("(a or b) and not c", "(a or b) and not c"),
        ("mode=='same'", 'mode == "same"'),
        ("mode=='\"'", "mode == '\"'"),
        ("floor(a/2)", "math.floor(a / 2)"),
        ("min(a,b,-1)", "min(a, b, -1)"),
    ],
)
def test_written_source(inner: str, source: str) -> None:
    assert unparse(read(f"$({inner})")) == source


# Random expressions

INTEGERS = ("a", "b", "in_channels", "index")
SCOPES = st.fixed_dictionaries(
    {
        **{name: st.integers(-40, 40) for name in INTEGERS},
        "rate": st.sampled_from([0.0, 0.5, 1.0, -2.5, 1e-05, 3.75]),
        "flag": st.booleans(),
        "mode": st.sampled_from(["same", "va'l\"id"]),
    }
)
FLOATS = ("rate",)
NAMED_FLAG: st.SearchStrategy[Expr] = st.just(Name("flag"))


def literals(source: st.SearchStrategy[Value]) -> st.SearchStrategy[Expr]:
    return source.map(Literal)


def grown(leaves: st.SearchStrategy[Expr], ops: str) -> st.SearchStrategy[Expr]:
    def over(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        compare = st.builds(
            lambda op, a, b: Compare((op,), (a, b)),
            st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
            inner,
            inner,
        )
        chain = st.builds(
            lambda a, b, c: Compare(("<", ">="), (a, b, c)), inner, inner, inner
        )
        text = st.builds(
            lambda op, t: Compare((op,), (Name("mode"), Literal(t))),
            st.sampled_from(["==", "!="]),
            st.sampled_from(["same", "a\\b", "'", '"']),
        )
        flag = st.builds(
            lambda op, a: Compare((op,), (a, Literal(True))),
            st.sampled_from(["==", "!="]),
            compare,
        )
        plain: st.SearchStrategy[Expr] = compare | chain | text | flag | NAMED_FLAG
        truth: st.SearchStrategy[Expr] = plain | st.builds(Unary, st.just("not"), plain)
        logic = st.builds(
            lambda op, terms: Logic(op, tuple(terms)),
            st.sampled_from(["and", "or"]),
            st.lists(truth | literals(st.booleans()), min_size=2, max_size=3),
        )
        return (
            st.builds(Binary, st.sampled_from(ops.split()), inner, inner)
            | st.builds(Unary, st.sampled_from(["-", "+"]), inner)
            | st.builds(
                Conditional, inner, truth | logic | literals(st.booleans()), inner
            )
            | st.builds(
                lambda f, args: Call(f, tuple(args)),
                st.sampled_from(["min", "max"]),
                st.lists(inner, min_size=2, max_size=3),
            )
            | st.builds(
                lambda f, e: Call(f, (e,)),
                st.sampled_from(["ceil", "floor", "round"]),
                inner,
            )
        )

    return st.recursive(leaves, over, max_leaves=9)


INTEGER_NAMES = st.sampled_from(INTEGERS).map(Name)
INTEGER_EXPRS = grown(
    INTEGER_NAMES | literals(st.sampled_from([-3, -1, 0, 1, 2, 4, 8, 32])), "+ - * // %"
)
NUMBER_EXPRS = grown(
    INTEGER_NAMES
    | st.just(Name("rate"))
    | literals(st.sampled_from([-1, 0, 1, 2, 3, 0.5, -2.5, 1e16, 1e-05])),
    "+ - * / // % **",
)
PYTHON = {"__builtins__": {}, "math": math, "min": min, "max": max, "round": round}


def value_or_none(expr: Expr, scope: Mapping[str, Value]) -> Value | None:
    try:
        return evaluate(expr, scope)
    except ExpressionError as error:
        assert error.code == "CS204"
        return None


@unhurried
@given(INTEGER_EXPRS | NUMBER_EXPRS, SCOPES)
def test_written_source_has_the_value_in_python(
    expr: Expr, scope: dict[str, Value]
) -> None:
    expected = value_or_none(expr, scope)
    assume(expected is not None)
    assert expected is not None
    assert same(eval(unparse(expr), PYTHON, dict(scope)), expected)


@unhurried
@given(INTEGER_EXPRS | NUMBER_EXPRS)
def test_written_source_reads_as_the_same_expression(expr: Expr) -> None:
    source = unparse(expr)
    back = read(f"$({source.replace('math.', '')})")
    assert simplify(back, FLOATS) == simplify(expr, FLOATS)
    assert unparse(back) == source
    assert needs_math(expr) is ("math." in source)


@settings(max_examples=400, deadline=None)
@given(INTEGER_EXPRS | NUMBER_EXPRS, SCOPES)
def test_simplifying_keeps_the_value(expr: Expr, scope: dict[str, Value]) -> None:
    expected = value_or_none(expr, scope)
    assume(expected is not None)
    assert expected is not None
    simple = simplify(expr, FLOATS)
    assert same(evaluate(simple, scope), expected)
    assert len(unparse(simple)) <= len(unparse(expr)) + 2
    if is_integer(expr, FLOATS):
        assert type(expected) is int


@unhurried
@given(INTEGER_EXPRS | NUMBER_EXPRS)
def test_simplifying_again_changes_nothing(expr: Expr) -> None:
    simple = simplify(expr, FLOATS)
    assert simplify(simple, FLOATS) == simple


@unhurried
@given(INTEGER_EXPRS, INTEGER_EXPRS, SCOPES)
def test_substitution_is_evaluation_in_another_scope(
    expr: Expr, replacement: Expr, scope: dict[str, Value]
) -> None:
    number = value_or_none(replacement, scope)
    assume(number is not None)
    assert number is not None
    try:
        replaced = substitute(expr, {"a": replacement})
    except ExpressionError:
        return
    assert value_or_none(replaced, scope) == value_or_none(expr, {**scope, "a": number})


def test_substitution_is_bounded() -> None:
    expr = read("$(a + a)")
    with pytest.raises(ExpressionError, match="too large"):
        for _ in range(60):
            expr = substitute(expr, {"a": expr})


def test_written_source_is_as_ruff_writes_it() -> None:
    lines: list[str] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(INTEGER_EXPRS | NUMBER_EXPRS)
    def collect(expr: Expr) -> None:
        lines.append(unparse(expr))

    collect()
    texts = [
        "",
        "a\"b'c'",
        "a\"'",
        "'",
        '"',
        '""\'',
        "\\",
        "\x1b\n",
        "é",
        "\u202e",
        "\ud800",
    ]
    values: list[Value] = [
        *texts,
        1e16,
        1e-7,
        1e300,
        -2.0,
        2**70,
        True,
        (1, 7),
        (3,),
        (),
    ]
    lines += [literal_source(value) for value in values]
    # A line beyond ruff's widest would be broken: laying calls out is not done here.
    source = "".join(f"v = {line}\n" for line in lines if len(line) < 310)
    assert source.count("\n") > 100
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "format",
        "--isolated",
        "--line-length=320",
        "-",
    ]
    done = subprocess.run(
        ruff, input=source.encode(), capture_output=True, check=True, timeout=60
    )
    assert done.stdout.decode() == source
    for original in values:
        assert same(eval(literal_source(original)), original)
