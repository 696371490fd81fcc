"""Whatever stands in a spec, a check ends with diagnostics or a network, never an exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec.fields import EDGES
from cnnspec.layers import OPERATIONS
from tests.checking import full_check

SPECS = sorted((Path(__file__).parents[1] / "specs").glob("*.yaml"))
TOKEN = re.compile(r"[A-Za-z_]+|\d+|[^\w\s]|\n *")
WORDS = [
    "0", "-1", "2.5", "true", "~", "''", "[]", "{}", "[1, 2]", "$width", "$(1 // 0)", "$(", ":",
    "-", ",", "{", "}", "\n", "\n  ", "\t", "#", "&a", "*a", "!!int", "<<", "conv", "relu", "input",
    "name", "from", "when", "repeat", "residual", "parallel", "head", "99999999999999999999", "é",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_token_in_a_shipped_spec_gives_diagnostics(
    data: st.DataObject,
) -> None:
    text = data.draw(st.sampled_from(SPECS)).read_text(encoding="utf-8")
    tokens = list(TOKEN.finditer(text))
    for _ in range(data.draw(st.integers(1, 3))):
        token = data.draw(st.sampled_from(tokens))
        other = data.draw(
            st.one_of(
                st.sampled_from(WORDS), st.sampled_from([t.group() for t in tokens])
            )
        )
        text = text[: token.start()] + other + text[token.end() :]
        tokens = list(TOKEN.finditer(text))
    full_check(text)


@st.composite
def operations(draw: st.DrawFn) -> str:
    """An operation with values of its fields' declared ranges."""
    name = draw(
        st.sampled_from(
            sorted(
                set(OPERATIONS)
                - {"add", "subtract", "multiply", "average", "maximum", "concat"}
                - {"split"}  # its parts must be read
            )
        )
    )
    fields = {
        field.name: draw(st.sampled_from(field.samples()))
        for field in OPERATIONS[name].fields.values()
        if not isinstance(field, EDGES) and (field.required or draw(st.booleans()))
    }
    inner = ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
        for key, value in fields.items()
    )
    return f"{{{name}: {{{inner}}}}}"


@st.composite
def lists(draw: st.DrawFn, depth: int = 2) -> str:
    items = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.integers(0, 5))
        if kind == 0 and depth:
            items.append(f"{{residual: {{body: {draw(lists(depth - 1))}}}}}")
        elif kind == 1 and depth:
            merge = draw(st.sampled_from(["concat", "add", "maximum"]))
            branches = ", ".join(
                draw(lists(depth - 1)) for _ in range(draw(st.integers(1, 3)))
            )
            items.append(f"{{parallel: {{merge: {merge}, branches: [{branches}]}}}}")
        else:
            shared = draw(
                st.sampled_from(["", ", repeat: 2", ", when: $(in_channels > 3)"])
            )
            items.append(draw(operations())[:-1] + shared + "}")
    return f"[{', '.join(items)}]"


@settings(max_examples=150, deadline=None)
@given(
    lists(),
    st.sampled_from(
        ["height: 9, width: 8", "length: 12", "depth: 4, height: 6, width: 5"]
    ),
)
def test_a_random_small_spec_is_read_and_only_shapes_can_be_wrong(
    layers: str, sizes: str
) -> None:
    text = (
        f"cnnspec: 1\nname: random\ninput: {{channels: 4, {sizes}}}\nlayers: {layers}\n"
    )
    checked = full_check(text)
    assert checked is not None
    assert {d.code[:3] for d in checked.diagnostics} <= {"CS3", "CS4"}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_cut_anywhere_gives_diagnostics(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for end in range(0, len(text), max(1, len(text) // 60)):
        full_check(text[:end])
