"""Every generated model.py as a reader and a linter see it, and that its bytes never vary."""

from __future__ import annotations

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from cnnspec.compile import check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.call import one_line
from cnnspec.emit.render import code_of
from cnnspec.expressions import (
    Binary,
    Call,
    Compare,
    Conditional,
    Expr,
    Literal,
    Logic,
    Name,
    Unary,
)
from cnnspec.source import SourceFile
from cnnspec.unparse import unparse
from tests.test_drawn_structures import draw_structures
from tests.test_registry_parity import draw_all
from tests.test_structures import HEAD, SPECS

ROOT = Path(__file__).parent.parent
IMPORTS = {
    "pytorch": {"math", "torch", "torch.nn.functional", "torch.nn"},
    "keras": {"math", "keras", "keras.layers", "keras.ops"},
}
# Prints the models of the specs on standard input, in a process of its own.
PRINT_MODELS = """
import json, sys
from cnnspec.compile import check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.source import SourceFile
for text in json.load(sys.stdin):
    for target in TARGETS:
        checked = check_source(SourceFile("spec.yaml", text), {})
        sys.stdout.buffer.write(model_text(checked, target, None).encode())
"""


def shipped() -> dict[str, str]:
    return {
        p.stem: p.read_text("utf-8") for p in sorted((ROOT / "specs").glob("*.yaml"))
    }


def models(text: str, loss: str | None) -> dict[str, str]:
    checked = check_source(SourceFile("spec.yaml", text), {})
    return {target: model_text(checked, target, loss) for target in TARGETS}


@pytest.fixture(scope="module")
def generated() -> dict[str, dict[str, str]]:
    """Texts of model.py by spec and target."""
    texts = {name: HEAD + text for name, text in SPECS.items()}
    texts |= {n: text for n, (text, _) in draw_structures("style", 100)[0].items()}
    for op, group in draw_all("style").drawn.items():
        texts |= {f"{op}-{number}": drawn.text for number, drawn in enumerate(group)}
    found = {name: models(text, None) for name, text in texts.items()}
    return found | {n: models(text, "cross_entropy") for n, text in shipped().items()}


@pytest.fixture(scope="module")
def tree(
    generated: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    for name, by_target in generated.items():
        for target, text in by_target.items():
            place = folder / name / target
            place.mkdir(parents=True)
            (place / "model.py").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    "command", [["check"], ["format", "--check", "--line-length=88"]], ids=str
)
def test_ruff_has_nothing_to_say(command: list[str], tree: Path) -> None:
    ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", "."]
    done = subprocess.run(ruff, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_lines_are_within_88_columns_and_end_without_blanks(
    generated: dict[str, dict[str, str]],
) -> None:
    for by_target in generated.values():
        for text in by_target.values():
            assert text.endswith("\n") and not text.endswith("\n\n")
            for line in text.splitlines():
                assert len(line) <= 88, line
                assert line == line.rstrip()


def test_nothing_but_the_framework_is_imported(
    generated: dict[str, dict[str, str]],
) -> None:
    for by_target in generated.values():
        for target, text in by_target.items():
            assert "cnnspec" not in text.split("\n", 1)[1]
            assert imported(text) <= IMPORTS[target]


def imported(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_local_of_a_function_hides_what_the_module_defines(
    generated: dict[str, dict[str, str]],
) -> None:
    for by_target in generated.values():
        for text in by_target.values():
            tree = ast.parse(text)
            defined = defined_names(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert not local_names(node) & defined, (node.name, text)


def defined_names(tree: ast.Module) -> set[str]:
    """Functions, classes, imports and constants of a module."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
            found |= {name.partition(".")[0] for name in names}
        elif isinstance(node, ast.Assign):
            found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found


def local_names(function: ast.FunctionDef) -> set[str]:
    """Parameters, variables and loop variables, those of comprehensions too."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_resnet18_is_the_golden_byte_for_byte(target: str) -> None:
    golden = ROOT / "tests/goldens/resnet18" / target / "model.py"
    text = models(shipped()["resnet18"], "cross_entropy")[target]
    assert text.encode() == golden.read_bytes()


@pytest.mark.parametrize("target", TARGETS)
def test_resnet18_is_short_with_one_definition_for_its_block(target: str) -> None:
    text = models(shipped()["resnet18"], "cross_entropy")[target]
    assert len(text.splitlines()) <= 110
    defined = [
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    ]
    blocks = [name for name in defined if "block" in name.lower()]
    assert blocks == (["BasicBlock"] if target == "pytorch" else ["basic_block"])


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
def test_bytes_depend_on_the_spec_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    specs = [*shipped().values(), *(HEAD + text for text in SPECS.values())]
    specs += [text for text, _ in draw_structures("bytes", 20)[0].values()]
    done = subprocess.run(
        [sys.executable, "-c", PRINT_MODELS],
        input=json.dumps(specs).encode(),
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    here = [text for spec in specs for text in models(spec, None).values()]
    assert done.stdout == "".join(here).encode()


NAMES = [Name("alpha_width"), Name("beta_depth"), Name("gamma_long")]


def number(draw: random.Random, depth: int) -> Expr:
    """A random arithmetic expression with names long enough to be split over lines."""
    if depth == 0 or draw.random() < 0.2:
        return draw.choice([*NAMES, Literal(draw.randint(-4, 9))])
    kind = draw.randrange(6)
    if kind < 3:
        op = draw.choice(["+", "-", "*", "//", "%"])
        return Binary(op, number(draw, depth - 1), number(draw, depth - 1))
    if kind == 3:
        return Unary("-", number(draw, depth - 1))
    if kind == 4:
        return Call(
            "max", (number(draw, depth - 1), Binary("**", NAMES[0], Literal(2)))
        )
    branches = number(draw, depth - 1), number(draw, depth - 1)
    return Conditional(branches[0], condition(draw, depth - 1), branches[1])


def condition(draw: random.Random, depth: int) -> Expr:
    deeper = max(depth - 1, 0)
    kind = draw.randrange(5) if depth else 0
    if kind < 2:
        op = draw.choice(["<", "==", "!="])
        return Compare((op,), (number(draw, deeper), number(draw, deeper)))
    if kind == 2:
        return Compare(("<", "<="), (NAMES[0], number(draw, deeper), NAMES[1]))
    if kind == 3:
        return Unary("not", condition(draw, deeper))
    op = draw.choice(["and", "or"])
    return Logic(op, (condition(draw, deeper), condition(draw, deeper)))


def test_an_expression_that_is_split_over_lines_means_the_same() -> None:
    draw = random.Random(0)
    for _ in range(1000):
        expr = draw.choice((number, condition))(draw, 4)
        whole, split = unparse(expr), one_line(code_of(expr))
        assert ast.dump(ast.parse(whole)) == ast.dump(ast.parse(split)), (whole, split)
