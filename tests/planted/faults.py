"""A program's text enters; all copies of it with one fault in one layer leave.

Faults are found in the syntax tree: each number, word, keyword, operator, order and call of what
the layer is made of may be another, so that a new operation needs no list of its faults.
"""

from __future__ import annotations

import ast
import copy
import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.planted.networks import PLANTED

# Of each group, one may stand for another.
WORDS = (
    ("same", "valid"),
    ("nearest", "bilinear"),
    ("none", "tanh"),
    ("constant", "reflect", "replicate", "edge"),
    ("relu", "tanh", "sigmoid", "gelu", "silu", "softplus", "elu"),
)
FUNCTIONS = (
    ("relu", "tanh", "sigmoid", "silu", "softplus", "selu", "mish"),
    ("ReLU", "Tanh", "Sigmoid", "SiLU", "Softplus", "SELU", "Mish"),
    ("mean", "sum", "amax"),
    ("maximum", "minimum"),
    ("softmax", "log_softmax"),
    ("square", "abs"),
    *(
        (f"max_pool{n}d", f"avg_pool{n}d")
        + (f"adaptive_avg_pool{n}d", f"adaptive_max_pool{n}d")
        for n in (1, 2, 3)
    ),
    *((f"MaxPooling{n}D", f"AveragePooling{n}D") for n in (1, 2, 3)),
    *((f"GlobalMaxPooling{n}D", f"GlobalAveragePooling{n}D") for n in (1, 2, 3)),
    ("Add", "Subtract", "Multiply", "Average", "Maximum"),
    ("BatchNorm2d", "InstanceNorm2d"),
    ("LSTM", "GRU"),
)
OF_TORCH = ("relu", "tanh", "sigmoid", "selu", "square", "abs", "maximum", "minimum")
# Keywords that a call may have and has not, by what it calls.
ADDED = (
    (r"nn\.(Conv\w+|Linear|LSTM|GRU)", "bias", False),
    (r"nn\.Conv\dd|F\.(max|avg)_pool\dd", "padding", 1),
    (r"F\.(max|avg)_pool\dd", "ceil_mode", True),
    (r"F\.avg_pool\dd", "count_include_pad", False),
    (r"F\.gelu", "approximate", "tanh"),
    (r"F\.interpolate", "align_corners", True),
    (r"nn\.(Instance|Group|Layer)Norm\w*", "affine", False),
    (r"ops\.gelu", "approximate", True),
    (r"(layers\.)?(\w*Conv\w+|Dense|LSTM|GRU|MultiHeadAttention)", "use_bias", False),
    (r"(layers\.)?(Conv\w+|(Max|Average)Pooling\dD)", "padding", "same"),
    (r"(layers\.)?(Conv\w+|Dense)", "activation", "relu"),
    (r"layers\.(Batch|Layer|Group)Normalization", "center", False),
    (r"layers\.(Batch|Layer|Group)Normalization", "scale", False),
    (r"layers\.(LSTM|GRU)", "go_backwards", True),
    (r"layers\.GRU", "reset_after", False),
    (r"layers\.UpSampling2D", "interpolation", "bilinear"),
)
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
TENSORS = ("x", "e", "inputs", "before", "first_norm", "other")
NOT_FAULTS = ("name", "dtype", "device", "kernel_initializer", "rate", "dropout")
LIKE_NAMES = ("register_buffer", "register_parameter", "add_weight", "get_uid")


class Fault(NamedTuple):
    """One fault in a program's model.

    Args:
        kind: such as `number` or `keyword dropped`.
        was, now: the statement, before and with it.
        text: of the whole model.py.
    """

    target: str
    kind: str
    was: str
    now: str
    text: str


class Place(NamedTuple):
    """Where an expression stands: its parent, the field there, the index where it is a list."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST | None) -> None:
        """None takes it out of a list."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        elif node is None:
            del getattr(self.parent, self.field)[self.index]
        else:
            getattr(self.parent, self.field)[self.index] = node


Change = tuple[str, Callable[[ast.AST, Place], None]]


def faults_of(target: str, text: str, watched: str) -> list[Fault]:
    """All faults of the layer `planted`.

    Args:
        text: the program's.
        watched: PyTorch's that tells what each layer makes: so it shows which is which.
    """
    tree = ast.parse(watched if target == "pytorch" else text)
    plain = ast.unparse(_unwatched(tree))
    found = {}
    marked = _of_pytorch(tree) if target == "pytorch" else _of_keras(tree)
    for number, (node, _) in enumerate(_places(tree)):
        if id(node) not in marked:
            continue
        for kind, change in _changes(node, id(node) in marked.wholes):
            again = copy.deepcopy(tree)
            change(*list(_places(again))[number])
            try:
                changed = ast.unparse(_unwatched(again))
            except ValueError:
                continue
            if changed != plain:
                was, now = _apart(plain, changed)
                found.setdefault(changed, Fault(target, kind, was, now, changed))
    return list(found.values())


def draw_faults(faults: list[Fault], source: random.Random, count: int) -> list[Fault]:
    """So many, of as many kinds as there are."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault)
    groups = list(kinds.values())
    source.shuffle(groups)
    for group in groups:
        source.shuffle(group)
    found: list[Fault] = []
    while groups and len(found) < count:
        found += [group.pop() for group in groups][: count - len(found)]
        groups = [group for group in groups if group]
    return found


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, Place]]:
    """Each node with its place, parents first, always in the same order."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield value, Place(parent, field, None)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        yield item, Place(parent, field, index)


class Marked(set[int]):
    """Ids of a layer's nodes; `wholes` are those of its whole value."""

    def __init__(self) -> None:
        super().__init__()
        self.wholes: set[int] = set()


def _of_pytorch(tree: ast.Module) -> Marked:
    """What is watched by its name, its modules, and all that is neither the model nor its start."""
    marked = Marked()
    for item in tree.body:
        if not isinstance(item, ast.ClassDef | ast.FunctionDef):
            continue
        if isinstance(item, ast.ClassDef) and item.name == "Net":
            for node in ast.walk(item):
                if _watches(node) == PLANTED:
                    marked.wholes.add(id(node.args[2]))  # type: ignore[attr-defined]
                    _mark(
                        node.args[2], marked, lambda n: _watches(n) is not None, False
                    )  # type: ignore[attr-defined]
                elif isinstance(node, ast.Assign) and _is_own(node.targets[0]):
                    _mark(node.value, marked, lambda n: False)
        elif not _starts(item):
            _mark(item, marked, lambda n: False)
    return marked


def _watches(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "_watch":
        return str(node.args[1].value)  # type: ignore[attr-defined]
    return None


def _is_own(target: ast.AST) -> bool:
    return isinstance(target, ast.Attribute) and target.attr.startswith(PLANTED)


def _starts(item: ast.FunctionDef | ast.ClassDef) -> bool:
    """Whether a function only says how weights begin."""
    text = ast.unparse(item)
    says = "initializer" in text or "init." in text or item.name == "_fan_in"
    return isinstance(item, ast.FunctionDef) and says


def _of_keras(tree: ast.Module) -> Marked:
    """All but other layers, which have names, and the model's frame."""
    marked = Marked()
    for item in tree.body:
        if not isinstance(item, ast.ClassDef | ast.FunctionDef):
            continue
        if item.name != "net":
            if not _starts(item):
                _mark(item, marked, lambda n: False)
            continue
        for statement in item.body:
            if isinstance(statement, ast.Assign) and not _is_frame(statement.value):
                names = _named(statement.value)
                if all(name.startswith(PLANTED) for name in names):
                    marked.wholes.add(id(statement.value))
                _mark(statement.value, marked, _is_another)
    return marked


def _is_frame(node: ast.AST) -> bool:
    return ast.unparse(node).startswith(("keras.Input", "keras.Model", "keras.backend"))


def _named(node: ast.AST) -> list[str]:
    return [
        ast.unparse(keyword.value).strip("'f\"")
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "name"
    ]


def _is_another(node: ast.AST) -> bool:
    """A constructor of another layer, or its call."""
    own = node.func if isinstance(node, ast.Call) else None
    keywords = [*getattr(node, "keywords", []), *getattr(own, "keywords", [])]
    names = [ast.unparse(k.value).strip("'f\"") for k in keywords if k.arg == "name"]
    return any(not name.startswith(PLANTED) for name in names)


def _mark(
    node: ast.AST,
    marked: Marked,
    stops: Callable[[ast.AST], bool],
    beyond: bool = True,
) -> None:
    """A node and what is below it, but what is another's.

    Args:
        beyond: whether what the other is given is marked again.
    """
    if stops(node):
        for argument in getattr(node, "args", []) if beyond else []:
            if isinstance(argument, ast.Call):
                _mark(argument, marked, stops)
        return
    if isinstance(node, ast.keyword) and node.arg in NOT_FAULTS:
        return
    if isinstance(node, ast.Call) and _called(node).endswith(LIKE_NAMES):
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    marked.add(id(node))
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr | ast.stmt | ast.keyword | ast.arguments):
            _mark(child, marked, stops, beyond)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


class _Unwatched(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.args[2] if _watches(node) is not None else node


def _unwatched(tree: ast.AST) -> ast.AST:
    return ast.fix_missing_locations(_Unwatched().visit(copy.deepcopy(tree)))


def _apart(one: str, other: str) -> tuple[str, str]:
    """The first lines that differ."""
    for was, now in zip(one.splitlines(), other.splitlines(), strict=False):
        if was != now:
            return was.strip(), now.strip()
    return "", ""


def _changes(node: ast.AST, whole: bool) -> Iterator[Change]:
    """What may be wrong with a node, each with its kind."""
    if whole and not re.search(r"\.(chunk|split)\(", ast.unparse(node)):
        yield "activation added", _activated
    if isinstance(node, ast.Constant):
        for value in _other_constants(node.value):
            kind = {bool: "flag", str: "word"}.get(type(node.value), "number")
            yield kind, _setting("value", value)
    elif isinstance(node, ast.Tuple | ast.List):
        yield from _other_orders(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", lambda node, place: place.put(node.operand)  # type: ignore[attr-defined]
        if "inf" in ast.unparse(node.operand):
            yield "infinity", lambda node, place: place.put(ast.Constant(0.0))
    elif isinstance(node, ast.BinOp):
        if type(node.op) in OPERATORS:
            yield "operator", _setting("op", OPERATORS[type(node.op)]())
        yield "operator dropped", lambda node, place: place.put(node.left)  # type: ignore[attr-defined]
        if not isinstance(node.op, ast.Add | ast.Mult):
            yield "operands", _swapped
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        other = COMPARISONS[type(node.ops[0])]()
        yield "comparison", _setting("ops", [other, *node.ops[1:]])
    elif isinstance(node, ast.keyword) and node.arg not in (None, *NOT_FAULTS):
        yield "keyword dropped", lambda node, place: place.put(None)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)


def _setting(field: str, value: object) -> Callable[[ast.AST, Place], None]:
    return lambda node, place: setattr(node, field, copy.deepcopy(value))


def _swapped(node: ast.AST, place: Place) -> None:
    node.left, node.right = node.right, node.left  # type: ignore[attr-defined]


def _other_constants(value: object) -> list[object]:
    if type(value) is bool:
        return [not value]
    if type(value) is int:
        return [value + 1, value - 1, 0, 1]
    if type(value) is float:
        return [value * 100 if abs(value) < 1e-2 else value * 1.25, value * 0.5]
    if isinstance(value, str):
        return [w for words in WORDS if value in words for w in words if w != value]
    return []


def _other_orders(node: ast.Tuple | ast.List) -> Iterator[Change]:
    count = len(node.elts)
    for first in range(count - 1):
        yield (
            "order",
            _setting(
                "elts",
                [
                    *node.elts[:first],
                    node.elts[first + 1],
                    node.elts[first],
                    *node.elts[first + 2 :],
                ],
            ),
        )
    if isinstance(node, ast.List) and count > 1:
        yield "input", _setting("elts", [node.elts[0]] * count)


def _other_calls(node: ast.Call) -> Iterator[Change]:
    called = _called(node)
    last = called.rpartition(".")[2]
    for names in FUNCTIONS:
        if last in names:
            for name in names:
                of_torch = called.startswith("torch.")
                if name != last and (not of_torch or name in OF_TORCH):
                    yield "function", _renaming(name)
    for pattern, name, value in ADDED:
        given = {keyword.arg for keyword in node.keywords}
        if re.fullmatch(pattern, called) and name not in given:
            keyword = ast.keyword(name, ast.Constant(value))
            yield "keyword added", _setting("keywords", [*node.keywords, keyword])
    given = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    if node.args and any(n.id in TENSORS for n in given if n is not node.func):
        yield "left out", _left_out


def _left_out(node: ast.AST, place: Place) -> None:
    """What it is applied to stays: the first argument, or the object of a method."""
    func, arguments = node.func, node.args  # type: ignore[attr-defined]
    if isinstance(func, ast.Attribute) and ast.unparse(func.value) in TENSORS:
        place.put(func.value)
    elif isinstance(arguments[0], ast.List | ast.Tuple):
        place.put(arguments[0].elts[0])
    else:
        place.put(arguments[0])


def _renaming(name: str) -> Callable[[ast.AST, Place], None]:
    def rename(node: ast.AST, place: Place) -> None:
        func = node.func  # type: ignore[attr-defined]
        if isinstance(func, ast.Attribute):
            func.attr = name
        else:
            func.id = name

    return rename


def _activated(node: ast.AST, place: Place) -> None:
    """PyTorch's tensors have `relu()`; Keras' layer needs no name."""
    if not isinstance(node, ast.expr):
        return
    if isinstance(place.parent, ast.Call):  # of `_watch`
        place.put(ast.Call(ast.Attribute(node, "relu", ast.Load()), [], []))
    else:
        layer = ast.parse("layers.ReLU()", mode="eval").body
        place.put(ast.Call(layer, [node], []))
