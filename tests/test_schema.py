"""What the fields refuse is explained once for each mistake, at its place."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnnspec import fields as kinds
from cnnspec.codes import load_codes
from cnnspec.compile import check_source
from cnnspec.containers import CONTAINERS
from cnnspec.declared import read_given, settle
from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.fields import Declared
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.schema import explain
from cnnspec.shared import SHARED
from cnnspec.source import SourceFile, Span
from cnnspec.yamltree import parse
from tests.test_fields import VALUES, Window
from tests.trees import tree

ROOT = Path(__file__).parent.parent


def quoted(text: str, span: Span) -> str:
    """What a diagnostic underlines; all of these stand on one line."""
    assert span.line == span.end_line
    return text.split("\n")[span.line - 1][span.column - 1 : span.end_column - 1]


def explained(text: str, cls: type[Declared] = Window) -> list[Diagnostic]:
    """The diagnostics for the one mapping in a text such as `window: {…}`."""
    ((key, node),) = tree(text).items
    bag = Bag()
    assert read_given(cls, node, f"`{key.text}`", key.span, bag) is None
    return bag.sorted()


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*Window.fields, *SHARED, "kernal"]), VALUES, max_size=4
    )
    | VALUES
)
def test_a_refused_mapping_always_gets_a_diagnostic_and_an_accepted_one_none(
    value: Any,
) -> None:
    bag = Bag()
    text = f"window: {json.dumps(value)}"
    root = parse(SourceFile("t.yaml", text), bag)
    assume(root is not None)
    assert root is not None
    ((key, node),) = root.items
    given = read_given(Window, node, "`window`", key.span, bag)
    assert (given is None) == bag.has_errors


INTEGER = "an integer of at least 1"
KERNEL = f"{INTEGER}, or a list of 1 to 3 integers"
PADDING = "an integer of at least 0, `valid` or `same`, or a list of 1 to 6 integers"
BOOLEAN = "`true` or `false`"
ROUNDING = "one of `floor`, `exact` or `ceil`"
YES = "YAML 1.2 reads `yes` as text: write `true`"
OFF = "YAML 1.2 reads `Off` as text: write `false`"
EXPRESSION = "an expression is written `$(width * 2)`"
VARIABLE = "the value of a variable is written `$width`"
HUGE = "12345678901234567890123456789"

# field, value | what it must be | label | help; the value is what is underlined
WRONG_VALUES = [
    ("filters", "0", INTEGER, "gets 0", None),
    ("filters", "true", INTEGER, "gets `true`", None),
    ("filters", "width", INTEGER, "gets text `width`", VARIABLE),
    ("filters", HUGE, "at most 1e18", "gets a number of 29 digits", None),
    ("factor", "2000000000000000000", "at most 1e18", "gets 2000000000000000000", None),
    ("kernel", "0", INTEGER, "gets 0", None),
    (
        "kernel",
        "[1, 2, 3, 4]",
        "a list of 1 to 3 integers",
        "gets a list of 4 items",
        None,
    ),
    ("kernel", "4.0", INTEGER, "gets 4.0", "write `4`"),
    ("kernel", "2.5", INTEGER, "gets 2.5", None),
    ("kernel", "3x5", KERNEL, "gets text `3x5`", "write `[3, 5]`"),
    ("kernel", '"3"', KERNEL, "gets text `3`", "write `3` without quotes"),
    ("kernel", "{h: 3}", KERNEL, "gets a mapping", None),
    ("kernel", "width * 2", KERNEL, "gets text `width * 2`", EXPRESSION),
    ("padding", "smae", PADDING, "gets text `smae`", "did you mean `same`?"),
    ("padding", "full", PADDING, "gets text `full`", None),
    ("padding", "-1", "an integer of at least 0", "gets -1", None),
    ("bias", "yes", BOOLEAN, "gets text `yes`", YES),
    ("bias", "Off", BOOLEAN, "gets text `Off`", OFF),
    ("bias", '"true"', BOOLEAN, "gets text `true`", "write `true` without quotes"),
    ("bias", "0", BOOLEAN, "gets 0", "write `false`"),
    ("bias", "~", BOOLEAN, "gets nothing", "leave it out for its default, `true`"),
    ("rounding", "flor", ROUNDING, "gets text `flor`", "did you mean `floor`?"),
    ("rounding", "3", ROUNDING, "gets 3", None),
    ("rate", "1", "a number of at least 0 and below 1", "gets 1", None),
    ("with", "a", "a list of texts", "gets text `a`", "write a list: `[a]`"),
    ("label", "[a]", "text", "gets a list of 1 item", None),
]


def with_needed(field: str, value: str) -> str:
    """A `window` that is right but for one field."""
    fields = {"filters": "8", "kernel": "3"} | {field: value}
    return f"window: {{{', '.join(f'{key}: {text}' for key, text in fields.items())}}}"


@pytest.mark.parametrize(("field", "value", "wanted", "label", "help"), WRONG_VALUES)
def test_a_wrong_value_gets_one_diagnostic_at_its_place(
    field: str, value: str, wanted: str, label: str, help: str | None
) -> None:
    text = with_needed(field, value)
    (found,) = explained(text)
    assert (found.code, quoted(text, found.span)) == ("CS107", value)
    assert found.message == f"`{field}` of `window` must be {wanted}"
    assert (found.label, found.help) == (label, help)


@pytest.mark.parametrize(
    ("field", "value", "item", "message"),
    [
        ("kernel", "[3, 0]", "0", f"item 2 of `kernel` of `window` must be {INTEGER}"),
        ("with", "[a, 3]", "3", "item 2 of `with` of `window` must be text"),
    ],
)
def test_a_wrong_item_of_a_list_is_underlined_alone(
    field: str, value: str, item: str, message: str
) -> None:
    text = with_needed(field, value)
    (found,) = explained(text)
    assert (quoted(text, found.span), found.message) == (item, message)


MISPLACED = "`{}` belongs beside `window`, not in it"
BESIDE = "write it under `window`, as far to the left:\n- window: {…}\n  name: stem"
ALL = "`window` takes filters, kernel, padding, bias, rounding, rate, factor, label, with, into, sizes, numbers, weights, connections, memory"
FILTERS = "`filters`: Number of filters K"
MAPPING = "`window` takes a mapping of fields"
UNKNOWN = "unknown field `{}` of `window`"
MEANT = "did you mean `filters`?"
INFERRED = "leave it out: it follows from the input"

# what follows `window:` | code | what is underlined | message | help
WRONG_KEYS = [
    ("{filters: 8, kernal: 3}", "CS106", "kernal", UNKNOWN, "did you mean `kernel`?"),
    ("{out_channels: 8, kernel: 3}", "CS106", "out_channels", UNKNOWN, MEANT),
    (
        "{in_channels: 8, filters: 8, kernel: 3}",
        "CS106",
        "in_channels",
        UNKNOWN,
        INFERRED,
    ),
    ("{filters: 8, kernel: 3, colour: red}", "CS106", "colour", UNKNOWN, ALL),
    ("{filters: 8, kernel: 3, name: stem}", "CS108", "name", MISPLACED, BESIDE),
    ("{kernel: 3}", "CS109", "window", "`{}` needs `filters`", FILTERS),
    (
        "",
        "CS109",
        "window",
        "`{}` needs `filters` and `kernel`",
        f"{FILTERS}\n`kernel`: Extent F of a filter",
    ),
    ("64", "CS103", "64", MAPPING, "write `window: {filters: 64, kernel: …}`"),
    ("[64, 3]", "CS103", "[64, 3]", MAPPING, "write `window: {filters: …, kernel: …}`"),
    ("$x", "CS103", "$x", MAPPING, "write `window: {filters: …, kernel: …}`"),
]


@pytest.mark.parametrize(("given", "code", "underlined", "message", "help"), WRONG_KEYS)
def test_a_wrong_key_gets_one_diagnostic_at_its_place(
    given: str, code: str, underlined: str, message: str, help: str
) -> None:
    text = f"window: {given}"
    (found,) = explained(text)
    assert found.code == code
    assert quoted(text, found.span) == underlined
    assert (found.message, found.help) == (message.format(underlined), help)


def test_each_of_several_mistakes_gets_its_diagnostic() -> None:
    text = "window: {kernal: 3, bias: yes, rate: 2, padding: [1, x, -1], name: a, kernel: $k}"
    found = [(d.code, quoted(text, d.span)) for d in explained(text)]
    assert found == [
        ("CS109", "window"),
        ("CS106", "kernal"),
        ("CS107", "yes"),
        ("CS107", "2"),
        ("CS107", "x"),
        ("CS107", "-1"),
        ("CS108", "name"),
    ]


def test_expressions_satisfy_every_field_until_they_are_evaluated() -> None:
    text = (
        "window: {filters: $a, kernel: [$b, 3], bias: $(c > 1), rounding: $d, oops: 1}"
    )
    assert [d.code for d in explained(text)] == ["CS106"]


@pytest.mark.parametrize("value", ["$a", "[a, $b]"])
def test_edges_of_the_graph_are_no_expressions(value: str) -> None:
    text = with_needed("with", value)
    ((key, node),) = tree(text).items
    bag = Bag()
    explain(Window, node, "`window`", key.span, bag)
    (found,) = bag.sorted()
    assert quoted(text, found.span).startswith("$")
    assert found.label == "gets an expression"


def test_thousands_of_mistakes_in_one_mapping_are_not_all_read() -> None:
    keys = ", ".join(f"k{i}: 1" for i in range(5000))
    found = explained(f"window: {{filters: 8, kernel: [{'x, ' * 5000}1], {keys}}}")
    assert {d.code for d in found} == {"CS106", "CS107"}
    assert 10 < len(found) < 200
    (found_one,) = explained(f"window: {{filters: 8, kernel: [{'1, ' * 5000}1]}}")
    assert found_one.label == "gets a list of 5001 items"


def test_a_full_bag_gets_no_more() -> None:
    text = "".join(f"w{i}: {{filters: 0, kernel: 1}}\n" for i in range(1500))
    bag = Bag()
    for key, node in tree(text).items:
        assert read_given(Window, node, f"`{key.text}`", key.span, bag) is None
    assert len(bag) == 1000


def test_an_operation_without_fields_says_so() -> None:
    class Bare(Layer):
        """No fields."""

    (found,) = explained("bare: 3", Bare)
    assert (found.message, found.label) == ("`bare` takes no fields", "gets 3")
    (found,) = explained("bare: {slope: 3}", Bare)
    assert (found.code, found.help) == ("CS106", "`bare` takes no fields")


def test_keras_and_pytorch_words_for_decay_are_told_apart() -> None:
    (found,) = explained("batch_norm: {momentum: 0.1}", OPERATIONS["batch_norm"])
    assert (
        found.help == "`decay` is the `momentum` of Keras, and 1 minus that of PyTorch"
    )


def test_a_section_that_is_no_operation_has_no_shared_keys() -> None:
    class Section(Declared):
        epochs = kinds.Integer(1, doc="Passes.")

    (found,) = explained("train: {name: a}", Section)
    assert found.code == "CS106"


def test_a_container_names_its_lists_among_its_fields() -> None:
    (found,) = explained("residual: {shortcuts: []}", CONTAINERS["residual"])
    assert (found.code, found.help) == ("CS106", "did you mean `shortcut`?")


FLOORED = "`//` divides integers to an integer"
ROUNDED = "`floor`, `round` and `ceil` give integers"

# a field with expressions | what is underlined | label | help
EVALUATED = [
    ("kernel: $(k / 2)", "$(k / 2)", "evaluates to 4.0", FLOORED),
    ("kernel: $(k * 0.5)", "$(k * 0.5)", "evaluates to 4.0", ROUNDED),
    ("kernel: $(k - 8)", "$(k - 8)", "evaluates to 0", None),
    ("kernel: [3, $(k - 8)]", "$(k - 8)", "evaluates to 0", None),
    ("kernel: [0, $k]", "0", "gets 0", None),
    ("kernel: $pair", "$pair", "evaluates to -1", None),
    ("bias: $k", "$k", "evaluates to 8", None),
    ("rounding: $word", "$word", "evaluates to text `up`", None),
]


@pytest.mark.parametrize(("given", "underlined", "label", "help"), EVALUATED)
def test_a_wrong_result_of_an_expression_is_shown_where_the_expression_stands(
    given: str, underlined: str, label: str, help: str | None
) -> None:
    text = f"window: {{{given}}}"
    ((key, node),) = tree(text).items
    bag = Bag()

    class Optional(Window):
        """All fields optional: one is tried at a time."""

        filters = kinds.Integer(1, least=1, doc="Number of filters K.")
        kernel = kinds.PerAxis(1, doc="Extent F of a filter.")

    values = read_given(Optional, node, "`window`", key.span, bag)
    assert values is not None
    scope = {"k": 8, "pair": [3, -1], "word": "up"}
    notes = ("in block `unit`",)
    assert settle(Optional, values, scope, "`window`", key.span, bag, notes) is None
    (found,) = bag.sorted()
    assert found.notes == notes
    assert (found.code, quoted(text, found.span)) == ("CS107", underlined)
    assert (found.label, found.help) == (label, help)


def test_a_value_that_only_the_parser_refuses_is_reported_too() -> None:
    class Even(kinds.Integer):
        def accept(self, value: Any) -> int:
            if type(value) is int and value % 2:
                kinds.refuse()
            return super().accept(value)

    class Odd(Declared):
        size = Even(doc="An even number; its schema does not say so.")

    (found,) = explained("odd: {size: 3}", Odd)
    assert (found.code, found.label) == ("CS107", "gets 3")


def test_a_valid_spec_does_not_load_jsonschema() -> None:
    code = (
        "import sys, cnnspec.schema, cnnspec.resolve, cnnspec.layers;"
        "sys.exit('jsonschema' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("code", ["CS103", "CS106", "CS107", "CS108", "CS109"])
def test_the_examples_of_a_codes_page_are_true(code: str) -> None:
    page = load_codes()[code]
    for text, expected in ((page.bad, [code]), (page.good, [])):
        assert text is not None
        checked = check_source(SourceFile("t.yaml", text), {})
        assert [d.code for d in checked.diagnostics] == expected
