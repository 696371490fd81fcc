"""Reading expressions out of scalars."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.expressions import (
    MAX_NODES,
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    Literal,
    Logic,
    Name,
    Unary,
    Value,
    evaluate,
)
from cnnspec.scalars import CUT, EXPRESSION, MALFORMED, TEXT, classify, parse, remedy
from cnnspec.source import Span
from tests.parsing import read, span_of

unhurried = settings(deadline=None)  # the machine may be busy


def fault(text: str, quotes: int = 0) -> Diagnostic:
    bag = Bag()
    assert parse(text, span_of(text, quotes), bag) is None
    (found,) = bag.sorted()
    return found


def value(inner: str, **scope: Value) -> Value:
    return evaluate(read(f"$({inner})"), scope)


# Which scalars are expressions


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("same", TEXT),
        ("", TEXT),
        ("a$b", TEXT),
        ("4 * $width", TEXT),
        ("$width", EXPRESSION),
        ("$(width * 4)", EXPRESSION),
        ("$((a) + (b))", EXPRESSION),
        ("$(a\n  and b)\n", EXPRESSION),
        ('$(mode == "(")', EXPRESSION),
        ("$(mode == '\\')')", EXPRESSION),
        ("$(min(b", CUT),
        ("$(", CUT),
        ("$", MALFORMED),
        ("$5", MALFORMED),
        ("$width * 4", MALFORMED),
        ("$(a) + $(b)", MALFORMED),
        ("$(a))", MALFORMED),
        ("$größe", MALFORMED),
    ],
)
def test_a_scalar_is_an_expression_when_all_of_it_is(text: str, kind: str) -> None:
    assert classify(text) == (kind, text)


@pytest.mark.parametrize(
    ("text", "plain"), [("$$5", "$5"), ("$$(a)", "$(a)"), ("$$$", "$$")]
)
def test_two_dollars_at_the_beginning_stand_for_one(text: str, plain: str) -> None:
    assert classify(text) == (TEXT, plain)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("$width * 4", "$(width * 4)"),
        ("4 * $width", "$(4 * width)"),
        ("$(width) * 4", "$(width * 4)"),
        ("$(a + $b)", "$(a + b)"),
        ("$(a && !b)", "$(a and not b)"),
        ("$(a = 1)", "$(a == 1)"),
        ("$(a <> 1)", "$(a != 1)"),
        ("$(a ^ 2)", "$(a ** 2)"),
        ("$(a ? b : c)", "$(b if a else c)"),
        ("$max(a, 1)", '"$(max(a, 1))"'),
        ("plain", None),
        ("$5.00 each", None),
        ("$(a.b)", None),
    ],
)
def test_a_slip_has_its_remedy(text: str, mended: str | None) -> None:
    assert remedy(text) == mended


def test_a_remedy_is_offered_where_the_slip_is_reported() -> None:
    assert fault("$width * 4") == Diagnostic(
        "CS201",
        "error",
        "`$width * 4` is neither text nor an expression",
        span_of("$width * 4"),
        help="write `$(width * 4)`",
    )


def test_an_expression_that_yaml_cut_at_a_comma_says_so() -> None:
    found = fault("$(min(b")
    assert (found.code, found.message) == (
        "CS201",
        "the parenthesis of `$(min(b` is not closed",
    )
    assert found.help is not None
    assert "YAML cuts" in found.help


# Reading


@pytest.mark.parametrize(
    ("text", "expr"),
    [
        ("$width", Name("width")),
        ("$true", Literal(True)),
        ("$(False)", Literal(False)),
        ("$(4.0)", Literal(4.0)),
        ("$('same')", Literal("same")),
        ("$(-a ** 2)", Unary("-", Binary("**", Name("a"), Literal(2)))),
        ("$(1 < a <= 3)", Compare(("<", "<="), (Literal(1), Name("a"), Literal(3)))),
        ("$(a and b and c)", Logic("and", (Name("a"), Name("b"), Name("c")))),
        ("$(a if c else b)", Conditional(Name("a"), Name("c"), Name("b"))),
        ("$(max(1, a))", Call("max", (Literal(1), Name("a")))),
        ("$(\n  a\n  + 1\n)", Binary("+", Name("a"), Literal(1))),
    ],
)
def test_text_becomes_nodes(text: str, expr: Expr) -> None:
    assert read(text) == expr


@pytest.mark.parametrize(
    ("inner", "what"),
    [
        ("__import__('os').system('id')", "a call of anything but a function's name"),
        ("a.__class__", "`.`, an attribute,"),
        ("a[0]", "`[…]`, an index,"),
        ("lambda: 0", "`lambda`"),
        ("f'{a}'", "a formatted text"),
        ("(a := 1)", "`:=`"),
        ("[1, 2]", "a list"),
        ("1, 2", "a list of values"),
        ("{1: 2}", "a mapping"),
        ("{1}", "a set"),
        ("[x for x in a]", "a comprehension"),
        ("(yield)", "`yield`"),
        ("await a", "`await`"),
        ("max(*a, 1)", "`*` before a value"),
        ("max(a, key=b)", "an argument with a name"),
        ("abs(a)", "the function `abs`"),
        ("eval('1')", "the function `eval`"),
        ("a | b", "`|`"),
        ("~a", "`~`"),
        ("a << 2", "`<<`"),
        ("a @ b", "`@`"),
        ("a is b", "`is`"),
        ("a not in b", "`not in`"),
        ("None", "`None`"),
        ("...", "`...`"),
        ("b'x'", "a text of bytes"),
        ("1j", "a complex number"),
        ("1e999", "a number beyond 1.8e308"),
        ("9" * 78, "a number of more than 256 bits"),
        ("ﬁlters * 2", "`ﬁ`"),
        ("a\N{NO-BREAK SPACE}+ 1", "`\N{NO-BREAK SPACE}`"),
    ],
)
def test_what_expressions_lack_is_named(inner: str, what: str) -> None:
    found = fault(f"$({inner})")
    assert found.code == "CS202"
    assert found.message == f"{what} is not allowed in an expression"
    assert found.help


@pytest.mark.parametrize("inner", ["round(a, 2)", "ceil()", "min(a)", "max()"])
def test_a_function_takes_its_number_of_values(inner: str) -> None:
    found = fault(f"$({inner})")
    assert found.code == "CS202"
    assert f"gets {inner.count(',') + ('()' not in inner)}" in found.message


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "a b",
        "a *",
        "* a",
        "a = 1",
        "08",
        "1 +\n\n* 2",
        "def f",
        "a;b",
        "\0",
        "\ud800",
    ]
    + ["f'{'", "'a", "a\\"],
)
def test_unreadable_text_is_one_error(inner: str) -> None:
    assert fault(f"$({inner})").code in ("CS201", "CS202")


@pytest.mark.parametrize(
    "inner",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "(" * 450 + "1" + ")" * 450,
        "-" * 950 + "1",
        "not " * 240 + "a",
        "+".join("1" * (MAX_NODES // 2 + 1)),
        "a if b else " * 80 + "c",
        "min(1," * 120 + "1" + ")" * 120,
        "[" * 150 + "]" * 150,
        "'\\" * 300_000,
    ],
)
def test_deep_and_long_expressions_are_refused(inner: str) -> None:
    assert fault(f"$({inner})").code in ("CS201", "CS202")


def test_a_name_too_long_is_refused_and_not_repeated() -> None:
    found = fault("$" + "a" * 100_000)
    assert (found.code, found.message) == (
        "CS202",
        "the expression is too long: 100001 characters, at most 1000",
    )


def test_reading_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert value("1if true else 2") == 1
        assert value(r"'\d' == '\\d'") is True


def test_a_fault_is_marked_inside_its_scalar() -> None:
    text = "$(width + abs(a))"
    assert fault(text).span == Span(7, 20, 7, 23)
    assert fault(text, quotes=2).span == Span(7, 21, 7, 24)
    assert fault(text, quotes=5).span == span_of(text, 5)  # escapes: all of it
    assert fault("$(a * * 4)").span == Span(7, 16, 7, 17)


@unhurried
@given(
    st.text(
        st.sampled_from("ab1 .,()+-*/%<=>!&|^?:;'\"\\[]{}#~@\n\0é$_fr\ud800"),
        max_size=60,
    )
)
def test_any_text_is_read_or_refused_once(inner: str) -> None:
    text = f"$({inner})"
    bag = Bag()
    expr = parse(text, span_of(text), bag)
    assert len(bag.sorted()) == (expr is None)
