"""What `cnnspec.testing` finds in a plugin whose two programs differ."""

from __future__ import annotations

import json

import pytest

from tests.test_plugins import python

PARTS = {
    "TORCH": """\
class Pos(nn.Module):
    def __init__(self, length, features):
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(length, features))

    def forward(self, x):
        return x + self.numbers
""",
    "KERAS": """\
class Pos(layers.Layer):
    def build(self, shape):
        self.numbers = self.add_weight(shape[1:], "zeros", name="numbers")

    def call(self, x):
        return x + self.numbers
""",
    "PLUGIN": '''\
from cnnspec.layers.layer import Layer, Weight, only
from cnnspec.shapes import SEQUENCE


class Pos(Layer):
    """A number for each position."""

    op = "pos"
    example = "- pos"

    def infer(self, inputs):
        return (only(self.op, inputs, (SEQUENCE,)),)

    def weights(self, inputs):
        return (Weight("numbers", inputs[0].sizes),)

    def pytorch(self, site):
        length = site.number(lambda i: i.inputs[0].sizes[0])
        return [site.module(site.helper("Pos", TORCH), length, site.channels)]

    def keras(self, site):
        return [site.layer(site.helper("Pos", KERAS))]
''',
}
KEPT = ("PLUGIN", "sizes),)", "sizes, constant=True),)")
BUFFER = ("TORCH", "self.numbers = nn.Parameter(", 'self.register_buffer("numbers", ')
TABLE = [("KERAS", "self.numbers", "self.table"), ("KERAS", '"numbers"', '"table"')]
TURNED = [
    ("KERAS", "shape[1:]", "shape[:0:-1]"),
    ("KERAS", "x + self.table", "x + ops.transpose(self.table)"),
]


def rule(options: str) -> tuple[str, str, str]:
    """Adds where the numbers are in Keras."""
    method = f"""\
    def keras_variables(self, inputs, line):
        from cnnspec.layers.variables import variable

        (numbers,) = self.weights(inputs)
        return (variable("table", numbers{options}),)
"""
    return "PLUGIN", "    def pytorch", f"{method}\n    def pytorch"


# what becomes of PARTS | the gap of both outputs (none: more than 0.1), or what is said
CASES = {
    "alike": ([], 0.0),
    "Keras ignores its weight": ([("KERAS", "x + self.numbers", "x + 0.0")], None),
    "Keras has another name for it": (
        TABLE,
        "Keras has {'pos/table': (5, 3)}, `keras_variables` {'pos/numbers': (5, 3)}",
    ),
    "another name, and the plugin says so": ([*TABLE, rule("")], 0.0),
    "Keras has it turned": (
        [*TABLE, *TURNED, rule("")],
        "Keras has {'pos/table': (3, 5)}, `keras_variables` {'pos/table': (5, 3)}",
    ),
    "turned, and the plugin says so": (
        [*TABLE, *TURNED, rule(", axes=(1, 0)")],
        0.0,
    ),
    "a single number": (
        [
            ("PLUGIN", "inputs[0].sizes),)", "()),)"),
            ("TORCH", "torch.zeros(length, features)", "torch.zeros(())"),
            ("KERAS", "shape[1:]", "()"),
        ],
        0.0,
    ),
    "Keras gives another shape": (
        [("KERAS", "x + self.numbers", "(x + self.numbers)[:, :-1]")],
        "output: Keras gives (4, 3), the check (5, 3)",
    ),
    "PyTorch gives another shape": (
        [("TORCH", "x + self.numbers", "(x + self.numbers)[:, :-1]")],
        "output: PyTorch gives (4, 3), the check (5, 3)",
    ),
    "one that never learns": (
        [
            KEPT,
            ("TORCH", "features))", "features), requires_grad=False)"),
            ("KERAS", '"zeros"', '"zeros", trainable=False'),
        ],
        0.0,
    ),
    "it learns in Keras": (
        [KEPT, ("TORCH", "features))", "features), requires_grad=False)")],
        "pos: 15 numbers learn in Keras, 0 in `weights`",
    ),
    "it learns in PyTorch": (
        [KEPT, ("KERAS", '"zeros"', '"zeros", trainable=False')],
        "pos.numbers learns in PyTorch, unlike `weights`",
    ),
    "it is a buffer": (
        [BUFFER],
        "pos.numbers is a buffer in PyTorch, and `weights` has learned=True",
    ),
}
SCRIPT = """\
import json
from pathlib import Path

import numpy as np

from cnnspec.layers import OPERATIONS
from cnnspec.testing import both_models, gap, use_plugin

spec = {"cnnspec": 1, "name": "net", "input": {"length": 5, "features": 3}}
text = json.dumps({**spec, "layers": ["pos"]})
x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
found = {}
for path in sorted(Path("plugins").iterdir()):
    OPERATIONS.pop("pos", None)
    use_plugin(str(path))
    try:
        models = both_models(text)
        models.share_weights()
        found[path.stem] = gap(*models.outputs(x))
    except AssertionError as error:
        found[path.stem] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What comes of each case, all in one process: the frameworks take long to start."""
    folder = tmp_path_factory.mktemp("testing")
    (folder / "plugins").mkdir()
    for name, (changes, _) in CASES.items():
        parts = dict(PARTS)
        for part, old, new in changes:
            assert old in parts[part]
            parts[part] = parts[part].replace(old, new)
        lines = [f"{part} = {parts[part]!r}\n" for part in ("TORCH", "KERAS")]
        (folder / "plugins" / f"{name}.py").write_text("".join(lines) + parts["PLUGIN"])
    done = python(folder, "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    results: dict[str, object] = json.loads(done.stdout)
    return results


@pytest.mark.parametrize("case", CASES)
def test_both_models_agree_or_it_is_said_where_they_differ(
    case: str, found: dict[str, object]
) -> None:
    wanted, result = CASES[case][1], found[case]
    if isinstance(wanted, str):
        assert str(result).startswith(wanted)
    elif wanted is None:
        assert isinstance(result, float) and result > 0.1
    else:
        assert result == pytest.approx(wanted, abs=1e-6)
