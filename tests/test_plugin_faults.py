"""What an operation from outside gives wrong: a diagnostic with a code, never a bug of cnnspec."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_plugins import PLUGIN, SPEC, TARGETS, cnnspec, with_plugin

# method | what it gives for 3x9x8 | what is said of it
BROKEN = [
    ("infer", "inputs[0]", "no tuple of 1 Shape"),
    ("infer", "inputs * 2", "no tuple of 1 Shape"),
    ("infer", "(Shape('maps', (3, 4.5, 4)),)", "sizes that are none of maps"),
    ("infer", "(Shape('maps', (3,)),)", "sizes that are none of maps"),
    ("infer", "(Shape('vector', (0,)),)", "sizes that are none of vector"),
    ("infer", "(Shape('map', (3, 4, 4)),)", "a layout that there is not"),
    ("weights", "Weight('a', (3,))", "no tuple of Weight"),
    ("weights", "(('a', (3,), True, False),)", "no tuple of Weight"),
    ("weights", "(Weight('a b', (3,)),)", "a name that no tensor can have"),
    ("weights", "(Weight('a', (1.5,)),)", "a `a` whose shape is no tuple"),
    ("weights", "(Weight('a', 3),)", "a `a` whose shape is no tuple"),
    ("weights", "(Weight('a', (3,)),) * 2", "a name twice"),
    ("macs", "None", "no whole number of at least 0"),
    ("macs", "0.5", "no whole number of at least 0"),
    ("macs", "-1", "no whole number of at least 0"),
    ("reach", "3", "neither None, EVERYWHERE nor a Reach"),
    ("reach", "Reach(3, 1)", "neither None, EVERYWHERE nor a Reach"),
    ("reach", "Reach((3,), (1,))", "another number of axes than the input's 2"),
    ("remarks", "None", "no list of Remark"),
    ("remarks", "Remark('CS470', '', '')", "no list of Remark"),
    ("remarks", "['odd']", "no list of Remark"),
    ("remarks", "[Remark('odd', '', '')]", "a Remark whose code is not as CS390"),
    ("remarks", "[Remark('CS470', 'odd', 3)]", "a Remark whose message, label or help"),
    ("remarks", "[Remark('CS470', '', '', 'sise')]", "a Remark on a field that there is"),
    ("remarks", "[Remark('CS470', '', '', port=1)]", "a Remark on an input that there"),
    ("remarks", "[Remark('CS470', '', '', None, 0, ('a',))]", "a Remark whose remedies"),
]  # fmt: skip


def with_method(method: str, given: str) -> str:
    """The plugin with one more method."""
    return (
        PLUGIN.replace("import Layer", "import Kept, Layer, Reach, Weight")
        + f"\n    def {method}(self, inputs, *outputs):\n        return {given}\n"
    )


@pytest.mark.parametrize(("method", "given", "said"), BROKEN)
def test_a_method_that_gives_something_else_is_an_error_at_the_layer(
    method: str, given: str, said: str, tmp_path: Path
) -> None:
    done = with_plugin(tmp_path, with_method(method, given))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("error[") == 1
    said = f"error[CS124]: `{method}` of the plugin's `odd_one` gives {said}"
    assert done.stdout.startswith(said)
    assert "--> spec.yaml:5:5" in done.stdout


@pytest.mark.parametrize("given", ["'odd'", "Remark('odd', '', '')"])
def test_a_misfit_with_no_such_remark_is_an_error_at_the_layer(
    given: str, tmp_path: Path
) -> None:
    plugin = PLUGIN.replace("return inputs", f"raise Misfit({given})")
    done = with_plugin(tmp_path, plugin)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("error[CS124]: `infer` of the plugin's `odd_one` ")


@pytest.mark.parametrize("given", ["None", "3", "Kept(numbers=0.5)", "Kept(outputs=1)"])
def test_a_keeps_that_gives_something_else_is_no_bug_of_cnnspec(
    given: str, tmp_path: Path
) -> None:
    plugin = with_method("keeps", given)
    done = with_plugin(tmp_path, plugin, "check", "--batch-size", "8")
    assert done.returncode == 1
    said = "error[CS124]: `keeps` of the plugin's `odd_one` gives "
    assert done.stderr.startswith(said)


def test_parts_that_are_no_tuple_are_no_bug_of_cnnspec(tmp_path: Path) -> None:
    plugin = with_method("torch_parts", '"nn.Conv2d"')
    build = ("build", "--target", "pytorch", "-o", "out")
    done = with_plugin(tmp_path, plugin, *build)
    assert done.returncode == 1
    said = (
        "error[CS124]: `torch_parts` of the plugin's `odd_one` gives no tuple of names"
    )
    assert done.stderr.startswith(said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("3", "no tuple of Variable"),
        ("(Variable('a', (), (), ()),)", "a Variable without a path or without Rows"),
        ("()", "not each row of `a` once"),
        ("(variable('a', a), variable('b', a))", "not each row of `a` once"),
        ("(variable('a', Rows(a, 1, 3)),)", "not each row of `a` once"),
        ("(variable('a', a, axes=(1, 0)),)", "a `a` whose axes are no order of its"),
        (
            "(variable('a', a, shape=(2,)),)",
            "a `a` whose shape does not hold 3 numbers",
        ),
        (
            "(variable('a', Weight('b', (3,))),)",
            "a `a` of a tensor that `weights` does",
        ),
    ],
)
def test_a_rule_of_weights_that_can_t_be_read_back_is_no_bug_of_cnnspec(
    given: str, said: str, tmp_path: Path
) -> None:
    plugin = (
        with_method("weights", "(Weight('a', (3,)),)")
        + "\n    def keras_variables(self, inputs, line):\n"
        + "        (a,) = self.weights(inputs)\n"
        + f"        return {given}\n"
    )
    imported = "from cnnspec.layers.variables import Rows, Variable, variable\n"
    (tmp_path / "odd.py").write_text(imported + plugin)
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "in.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    arguments = ("in.safetensors", "--spec", "spec.yaml", "--plugin", "odd.py")
    to = ("--to", "keras", "-o", "out.safetensors")
    done = cnnspec(tmp_path, "weights", "convert", *arguments, *to)
    assert done.returncode == 1
    whole = f"error[CS124]: `keras_variables` of the plugin's `odd_one` gives {said}"
    assert done.stderr.startswith(whole)


@pytest.mark.parametrize("given", ["None", "0", "2.0"])
def test_a_number_of_outputs_that_is_none_is_no_bug_of_cnnspec(
    given: str, tmp_path: Path
) -> None:
    own = f"\n    @property\n    def ports(self):\n        return {given}\n"
    done = with_plugin(tmp_path, PLUGIN + own)
    assert done.returncode == 1
    said = f"error[CS124]: `ports` of the plugin's `odd_one` is {given}\n"
    assert done.stderr == said


def with_source(source: str) -> str:
    """The plugin with the source of a helper, which both targets call."""
    return PLUGIN.replace(
        "return []", "return [site.call(site.helper('halve', HELPER))]"
    ).replace("class OddOne", f"HELPER = '''\\\n{source}'''\n\n\nclass OddOne")


HALVE = '''\
def halve(x):
    """Half of it."""
    return x / 2
'''


def test_a_class_is_found_beside_a_helper_of_its_name(tmp_path: Path) -> None:
    plugin = with_source("class OddOne(nn.Module):\n    pass\n")
    done = with_plugin(tmp_path, plugin.replace("size =", "when ="))
    assert done.stderr.startswith("error[CS123]: field `when` of `odd_one` is a key")
    assert "--> odd.py:12:1" in done.stderr
    assert "12 | class OddOne(Layer):" in done.stderr


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def halve", "def half", "helper `halve` is not one `def halve`"),
        ("def", "y = 1\n\n\ndef", "helper `halve` is not one `def halve`"),
        ("x / 2", "x / ", "helper `halve` is no Python: invalid syntax, line 3"),
        ("return", "import os\n    return", "helper `halve` has an import"),
    ],
)
def test_a_helper_is_one_function_or_class_of_its_name(
    old: str, new: str, said: str, target: str, tmp_path: Path
) -> None:
    build = ("build", "--target", target, "-o")
    assert with_plugin(tmp_path, with_source(HALVE), *build, "fine").returncode == 0
    plugin = with_source(HALVE.replace(old, new, 1))
    done = with_plugin(tmp_path, plugin, *build, "faulty")
    assert done.returncode == 1
    raised = f"error[CS124]: `{target}` of the plugin's `odd_one` raised ValueError: "
    assert done.stderr.startswith(raised + said)


BLOCKS = """\
blocks:
  first: {layers: [odd_one]}
  second: {layers: [even_one]}
layers: [first, second]
"""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("layers", ["layers: [odd_one, even_one]\n", BLOCKS])
def test_two_helpers_of_one_name_are_an_error(
    layers: str, target: str, tmp_path: Path
) -> None:
    """In one definition, and in a program's two."""
    spec = SPEC.partition("layers:")[0] + layers
    build = ("build", "--target", target, "--plugin", "even.py", "-o")
    odd = with_source(HALVE)
    even = odd.replace("odd_one", "even_one").replace("OddOne", "EvenOne")
    (tmp_path / "even.py").write_text(even)
    assert with_plugin(tmp_path, odd, *build, "fine", spec=spec).returncode == 0
    (tmp_path / "even.py").write_text(even.replace("x / 2", "x * 2"))
    done = with_plugin(tmp_path, odd, *build, "faulty", spec=spec)
    assert done.returncode == 1
    said = "error[CS124]: `even_one` and `odd_one` both write a helper `halve`"
    assert done.stderr.startswith(said)


def test_a_helper_replaces_none_of_a_built_in_operation(tmp_path: Path) -> None:
    plugin = with_source(HALVE).replace("halve", "DropPath")
    spec = SPEC + "  - drop_path: {rate: 0.5}\n"
    build = ("build", "--target", "pytorch", "-o", "out")
    done = with_plugin(tmp_path, plugin, *build, spec=spec)
    assert done.returncode == 1
    said = "error[CS124]: `drop_path` and `odd_one` both write a helper `DropPath`"
    assert done.stderr.startswith(said)


def test_a_page_says_why_it_shows_no_code(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        PLUGIN.replace(
            "return inputs", "return (only('odd_one', inputs, ('vector',)),)"
        )
        .replace("import Layer", "import Layer, only")
        .replace(
            'example = "', 'example_input = "{channels: 3, length: 8}"\n    example = "'
        )
    )
    page = cnnspec(tmp_path, "explain", "odd_one", "--plugin", "odd.py").stdout
    assert " ".join(page.split()).endswith(
        "The example has an error for its `example_input`, `{channels: 3, length: 8}`: "
        "`odd_one` takes a vector, not maps (CS302)."
    )


def test_a_function_that_is_an_operation_alone_stands_after_the_layer(
    tmp_path: Path,
) -> None:
    plugin = PLUGIN.replace("odd_one", "hard_tanh")
    active = plugin.replace("example =", "activates = True\n    example =")
    conv = "  - conv: {filters: 4, kernel: 3, activation: NAME}\n"
    spec = SPEC.partition("  - ")[0] + conv
    for name, given, said in (
        ("hard_tanh", active, "= help: write `- hard_tanh` as a layer after it"),
        ("hard_tanh", plugin, "= help: this version does not support it"),
        ("prelu", plugin, "= help: write `- prelu` as a layer after it"),
    ):
        done = with_plugin(tmp_path, given, spec=spec.replace("NAME", name))
        assert done.returncode == 1
        assert "error[CS107]: `activation` of `conv` must be one of" in done.stdout
        assert said in done.stdout
