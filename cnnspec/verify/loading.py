"""A program's folder enters; its modules leave, as they are or in float64.

In float64 each constant is first rounded to float32: Keras casts Python's numbers through it,
so 0.9 would be another number there than in PyTorch.
"""

from __future__ import annotations

import ast
import linecache
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PROGRAM = ("data", "model", "train")  # files of a program that are run
# TensorFlow's functions that make float32 unless they are told a type.
_MAKERS = {"zeros", "ones", "constant", "fill", "one_hot"}


def rounded(value: float) -> float:
    """The nearest number of float32."""
    try:
        (found,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return value
    return float(found)


class _InFloat64(ast.NodeTransformer):
    """A program's text in float64."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) is float:
            return ast.copy_location(ast.Constant(rounded(node.value)), node)
        if node.value == "float32":
            return ast.copy_location(ast.Constant("float64"), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr == "float32":
            node.attr = "float64"
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        func = node.func
        if not isinstance(func, ast.Attribute):
            return node
        if func.attr == "float" and not node.args:  # tensor.float()
            func.attr = "double"
        of_tensorflow = isinstance(func.value, ast.Name) and func.value.id == "tf"
        told = any(keyword.arg == "dtype" for keyword in node.keywords)
        if of_tensorflow and func.attr in _MAKERS and not told:
            dtype = ast.Attribute(ast.Name("tf", ast.Load()), "float64", ast.Load())
            node.keywords.append(ast.keyword("dtype", dtype))
        return node


def load_program(
    folder: Path,
    names: tuple[str, ...],
    float64: bool = False,
    given: dict[str, Any] | None = None,
) -> list[Any]:
    """Runs files of a program and returns the modules; each may import those before it.

    Args:
        names: of the files, without `.py`.
        given: what every module finds as a global name.
    """
    found = []
    for name in names:
        path = folder / f"{name}.py"
        text, origin = path.read_text(encoding="utf-8"), str(path)
        if float64:
            text = ast.unparse(_InFloat64().visit(ast.parse(text, origin)))
            # Where TensorFlow reads the functions that it turns into graphs.
            origin = f"{path} in float64"
            lines = text.splitlines(keepends=True)
            linecache.cache[origin] = (len(text), None, lines, origin)
        module = ModuleType(name)
        module.__file__ = str(path)
        vars(module).update(given or {})
        sys.modules[name] = module
        exec(compile(text, origin, "exec"), vars(module))
        found.append(module)
    return found
