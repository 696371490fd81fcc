"""Each field's parser and its schema give the same verdict on every value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec import arrays
from cnnspec import fields as kinds
from cnnspec.containers import CONTAINERS
from cnnspec.fields import Declared, Field, Refused
from cnnspec.initializers import INITIALIZERS
from cnnspec.inputs import KINDS
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.violations import violations


class Window(Layer):
    """A field of every kind, as an operation has them; no `op`: it is not registered."""

    filters = kinds.Integer(least=1, doc="Number of filters K.")
    kernel = kinds.PerAxis(doc="Extent F of a filter.")
    padding = kinds.Padding(0, doc="Zeros around the input.")
    bias = kinds.Boolean(True, doc="Adds a number per filter.")
    rounding = kinds.Choice("floor", "exact", "ceil", default="floor", doc="Which.")
    rate = kinds.Number(0.5, least=0, below=1, samples=[0.1], doc="Share.")
    factor = kinds.Number(1.0, samples=[2, -0.5], doc="Factor without limits.")
    label = kinds.Text("", doc="Any text.")
    with_ = kinds.Names((), doc="Names of earlier layers.")
    into = kinds.Parts(("a", "b"), doc="Names of the parts.")
    sizes = kinds.Counts(None, doc="Channels of each part.")
    numbers = arrays.Numbers(1, doc="Of a kernel.")
    weights_ = arrays.Constant(None, doc="A kernel that never learns.")
    connections = arrays.Connections(None, doc="Channels of each filter.")
    memory = kinds.LayerName(None, doc="Name of an earlier layer.")


DECLARED: list[type[Declared]] = [
    Window,
    *OPERATIONS.values(),
    *CONTAINERS.values(),
    *KINDS,
    *INITIALIZERS.values(),
]
FIELDS: dict[str, Field[Any]] = {
    f"{type(field).__name__} {json.dumps(field.schema())}": field
    for cls in DECLARED
    for field in cls.fields.values()
}
WORDS = ["valid", "same", "floor", "ceil", "on", "true", "3", "$x", "", "none", "relu"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.integers()
    | st.sampled_from([10**18, 10**18 + 1, -(10**18) - 1, 0.0, 1.0, 0.5, 1e300])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.lists(st.integers(-1, 4), max_size=7)
        | st.dictionaries(st.sampled_from([*WORDS, "constant"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def accepts(field: Field[Any], value: Any) -> bool:
    try:
        field.accept(value)
    except Refused:
        return False
    return True


def test_every_kind_of_field_is_under_test() -> None:
    known = {
        c
        for module in (kinds, arrays)
        for c in vars(module).values()
        if isinstance(c, type) and issubclass(c, Field)
    }
    assert known - {Field} == {type(f) for f in Window.fields.values()}


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_parser_and_schema_of_a_field_give_one_verdict(
    name: str, data: st.DataObject
) -> None:
    field = FIELDS[name]
    value = data.draw(
        VALUES | st.sampled_from([*field.samples(), [field.samples()[0]]])
    )
    assert accepts(field, value) == (not violations(field.schema(), value))


@pytest.mark.parametrize("name", FIELDS)
def test_samples_and_default_of_a_field_satisfy_both(name: str) -> None:
    field = FIELDS[name]
    values = list(field.samples())
    if not field.required and field.default is not None:
        default = field.default
        values.append(list(default) if isinstance(default, tuple) else default)
    for value in values:
        assert accepts(field, value)
        assert not violations(field.schema(), value)
