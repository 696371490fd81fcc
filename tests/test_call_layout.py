"""The layout of generated Python against ruff's."""

from __future__ import annotations

import ast
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnspec.emit.call import (
    BINDING,
    Argument,
    Attribute,
    Binary,
    Call,
    Code,
    Comprehension,
    Conditional,
    Dict,
    For,
    Generator,
    Keyword,
    List,
    Parenthesized,
    Star,
    Tuple,
    method,
    one_line,
    signature,
    statement,
)
from tests.ruffed import program, ruff

STEADY = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
)

# --- random code --------------------------------------------------------------------


class Writer:
    """Writes random code of every node; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def name(self) -> str:
        return ("name_" * 11)[: self.random.choice((1, 1, 4, 8, 12, 24, 36, 54))]

    def atom(self) -> str:
        forms = ("{}", "{}", "self.{}", '"{}"', "1", "64", "1e-5", "None", "-1")
        return self.random.choice(forms).format(self.name())

    def code(self, depth: int) -> Code:
        if depth == 0 or self.random.random() < 0.15:
            return self.atom()
        makers = (
            self.call,
            self.call,
            self.curried,
            self.chain,
            self.binary,
            self.other,
        )
        return self.random.choice(makers)(depth - 1)

    def codes(self, depth: int, least: int, most: int) -> tuple[Code, ...]:
        return tuple(self.code(depth) for _ in range(self.random.randint(least, most)))

    def call(self, depth: int) -> Code:
        func = self.random.choice(("f", "nn.Conv2d", "self.layer", self.name()))
        return Call(func, self.arguments(depth))

    def curried(self, depth: int) -> Code:
        return Call(self.call(depth), self.arguments(depth))

    def chain(self, depth: int) -> Code:
        receivers = (self.call, self.call, self.other, self.binary)
        code = self.random.choice(receivers)(depth)
        for _ in range(self.random.choice((1, 1, 2, 3))):
            code = method(code, self.name(), *self.arguments(depth))
        return code if self.random.random() < 0.8 else Attribute(code, "shape")

    def binary(self, depth: int) -> Code:
        common = ("+", "+", "*", "-", "or", "and", "==", "//")
        operator = self.random.choice((*common, *BINDING))
        first, *rest = self.codes(depth, 2, 4)
        if self.random.random() < 0.1:
            first = Parenthesized(first)
        return Binary(operator, (first, *rest))

    def other(self, depth: int) -> Code:
        pairs = zip(self.codes(0, 0, 3), self.codes(depth, 3, 3), strict=False)
        nodes: tuple[Code, ...] = (
            List(self.codes(depth, 0, 4)),
            Tuple(self.codes(depth, 0, 4)),
            Dict(tuple(pairs)),
            Comprehension(self.code(depth), self.clauses(depth)),
            Conditional(self.code(depth), self.code(depth), self.code(depth)),
        )
        return self.random.choice(nodes)

    def clauses(self, depth: int) -> tuple[For, ...]:
        values = self.random.choice(
            (Call("range", ("3",)), self.call(depth), self.name())
        )
        clause = For(self.random.choice(("_", "index", "key, value")), values)
        return (clause,) * self.random.choice((1, 1, 2))

    def arguments(self, depth: int) -> tuple[Argument, ...]:
        kind = self.random.random()
        if kind < 0.1:
            return (Generator(self.code(depth), self.clauses(depth)),)
        if kind < 0.2:
            return (Star(Comprehension(self.code(depth), self.clauses(depth))),)
        plain = self.codes(depth, 0, 3)
        named = tuple(Keyword(self.name(), code) for code in self.codes(depth, 0, 2))
        starred = (Star(self.call(depth)),) if kind < 0.3 else ()
        return (*plain, *starred, *named)

    def statement(self) -> tuple[str, Code, int]:
        indent = self.random.choice((4, 8))
        while True:
            prefix, code = "", self.call(2)
            if self.random.random() < 0.9:
                prefix = self.random.choice(("x = ", "return ", f"{self.name()} = "))
                code = self.code(self.random.randint(1, 3))
            if len(one_line(code)) < 1000:
                return prefix, code, indent


SEEDS = pytest.mark.parametrize("seed", range(3))


def first_difference(ours: list[list[str]], source: str) -> str:
    """The first function that ruff writes differently, in its way and in ours."""
    theirs = ruff("format", source).split("\n\n\n")
    pairs = zip(program(ours).split("\n\n\n"), theirs, strict=True)
    return next(
        (f"OURS\n{our}\nRUFF\n{their}" for our, their in pairs if our != their), ""
    )


@SEEDS
def test_ruff_lays_code_out_from_one_line_as_we_do(seed: int) -> None:
    writer = Writer(seed)
    statements = [writer.statement() for _ in range(400)]
    flat = [
        [" " * indent + prefix + one_line(code)] for prefix, code, indent in statements
    ]
    ours = [statement(*parts) for parts in statements]
    assert first_difference(ours, program(flat)) == ""


@SEEDS
def test_ruff_keeps_statements_with_comments_and_heads_of_if(seed: int) -> None:
    writer = Writer(seed)
    ours = []
    for _ in range(400):
        prefix, code, indent = writer.statement()
        note = writer.random.choice(("", "# (N, 64, 56, 56)", "# " + "x" * 40))
        ours.append(statement(prefix, code, indent, note))
        head = statement("if ", code, indent, note, suffix=":")
        ours.append([*head, " " * indent + "    pass"])
    assert first_difference(ours, program(ours)) == ""


@pytest.mark.parametrize("seed", range(100))
def test_splitting_keeps_the_meaning(seed: int) -> None:
    _, code, _ = Writer(seed).statement()
    narrow = "\n".join(statement("x = ", code, 0, width=20))
    assert ast.dump(ast.parse(narrow)) == ast.dump(ast.parse(f"x = {one_line(code)}"))


names = st.integers(1, 40).map(
    lambda length: "name_" * (length // 5) + "n" * (length % 5)
)
parameters = st.lists(names | names.map("{}: int = 1".format), min_size=1, max_size=6)
returns = st.sampled_from(("", "None", "torch.Tensor"))


@STEADY
@given(
    st.lists(st.tuples(parameters, st.booleans(), returns), min_size=20, max_size=40)
)
def test_ruff_keeps_signatures(heads: list[tuple[list[str], bool, str]]) -> None:
    parts = []
    for number, (params, keyword_only, annotation) in enumerate(heads):
        unique = [f"p{index}_{param}" for index, param in enumerate(params)]
        unique.sort(key=lambda param: "=" in param)
        listed = ["self", "*", *unique] if keyword_only else unique
        head = signature(f"method_{number}", listed, 4, annotation)
        parts.append("\n".join([f"class C{number}:", *head, "        pass"]))
    ours = "\n\n\n".join(parts) + "\n"
    assert ruff("format", ours) == ours


# --- code as a generator writes it --------------------------------------------------

options = (
    Keyword("strides", "stride"),
    Keyword("padding", '"same"'),
    Keyword("use_bias", "False"),
    Keyword("name", '"block_1.conv"'),
)
EXAMPLES: dict[str, tuple[str, Code, str]] = {
    "a call that fits": (
        "self.conv = ",
        Call("nn.Conv2d", ("3", "64", Keyword("bias", "False"))),
        """
    self.conv = nn.Conv2d(3, 64, bias=False)""",
    ),
    "arguments that fit on a line of their own": (
        "x = ",
        Call(Call("layers.Conv2D", ("width", "3", *options)), ("x",)),
        """
    x = layers.Conv2D(
        width, 3, strides=stride, padding="same", use_bias=False, name="block_1.conv"
    )(x)""",
    ),
    "arguments on a line each": (
        "x = ",
        Call(Call("layers.Conv2D", ("4 * width", "3", *options)), ("x",)),
        """
    x = layers.Conv2D(
        4 * width,
        3,
        strides=stride,
        padding="same",
        use_bias=False,
        name="block_1.conv",
    )(x)""",
    ),
    "a repeat as a starred comprehension": (
        "self.stage = ",
        Call(
            "nn.Sequential",
            (
                Star(
                    Comprehension(
                        Call(
                            "Bottleneck", ("4 * width", "width", Keyword("stride", "1"))
                        ),
                        (For("_", Call("range", ("repeats - 1",))),),
                    )
                ),
                Call("nn.Dropout", ("dropout",)),
            ),
        ),
        """
    self.stage = nn.Sequential(
        *[Bottleneck(4 * width, width, stride=1) for _ in range(repeats - 1)],
        nn.Dropout(dropout),
    )""",
    ),
    "a projection or nothing": (
        "self.shortcut = ",
        Conditional(
            Call("nn.Conv2d", ("in_channels", "4 * width", "1", "stride")),
            "stride != 1 or in_channels != 4 * width",
            Call("nn.Identity"),
        ),
        """
    self.shortcut = (
        nn.Conv2d(in_channels, 4 * width, 1, stride)
        if stride != 1 or in_channels != 4 * width
        else nn.Identity()
    )""",
    ),
    "two methods after a call": (
        "return ",
        method(
            method(
                Call("F.relu", (Call("self.head.normalization", ("x",)),)),
                "mean",
                "(2, 3)",
            ),
            "unflatten",
            *("1", "(groups, channels_per_group)"),
        ),
        """
    return (
        F.relu(self.head.normalization(x))
        .mean((2, 3))
        .unflatten(1, (groups, channels_per_group))
    )""",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_layout_of(name: str) -> None:
    prefix, code, expected = EXAMPLES[name]
    assert statement(prefix, code, 4) == expected.split("\n")[1:]


def test_ruff_agrees_where_random_code_seldom_comes() -> None:
    long = List(tuple(f'"{letter * 30}"' for letter in "abc"))
    chain = method(method(Call("f", ("x",)), "g"), "h", long)
    ours = [
        # Methods in an operand after one that leaves them no room.
        statement("x = ", Binary("-", ("y" * 80, chain)), 4),
        # A target so long that no parenthesis fits after it.
        statement(f"{'x' * 81} = ", Call("f", ("y",)), 4),
        statement(f"{'x' * 80} = ", Call("f", ("y",)), 4),
    ]
    assert first_difference(ours, program(ours)) == ""


def test_operand_that_binds_loosely_gets_parentheses() -> None:
    total = Binary("+", ("a", Binary("*", ("b", "c"))))
    assert one_line(Binary("*", (total, "d"))) == "(a + b * c) * d"
    assert one_line(Binary("-", ("a", Binary("-", ("b", "c"))))) == "a - (b - c)"
    assert one_line(Binary("-", (Binary("-", ("a", "b")), "c"))) == "a - b - c"
    assert one_line(Binary("==", (Binary("==", ("a", "b")), "c"))) == "(a == b) == c"
    assert one_line(method(Binary("+", ("x", "y")), "relu")) == "(x + y).relu()"


def test_comment_stands_above_a_line_that_it_would_make_too_long() -> None:
    code = Call("f", ("x" * 60,))
    assert statement("x = ", code, 0, "# " + "y" * 17)[0].endswith("y" * 17)
    assert statement("x = ", code, 0, "# " + "y" * 18)[0] == "# " + "y" * 18
