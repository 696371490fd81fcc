"""Operations from outside the package: a file, or an installed distribution."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cnnspec.cli import COMMANDS
from cnnspec.layers import OPERATIONS
from tests.programs import Job, command, finish

ROOT = Path(__file__).parents[1]
EXTENDING = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ ([\w.]+)\n(.*?)```", EXTENDING, re.DOTALL))
TARGETS = ("pytorch", "keras")
SPEC = """\
cnnspec: 1
name: tiny
input: {channels: 3, height: 9, width: 8}
layers:
  - odd_one: {size: 2}
"""
PLUGIN = '''\
from cnnspec.fields import Integer
from cnnspec.layers.layer import Layer, Misfit, Remark
from cnnspec.shapes import Shape


class OddOne(Layer):
    """Nothing."""

    op = "odd_one"
    example = "- odd_one"

    size = Integer(1, least=1, most=3, doc="A size.")

    def infer(self, inputs):
        return inputs

    def pytorch(self, site):
        return []

    def keras(self, site):
        return []
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of docs/extending.md."""
    folder = tmp_path_factory.mktemp("extending")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the plugin of docs/extending.md."""
    target = tmp_path_factory.mktemp("site")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    pip = (sys.executable, "-m", "pip", "install", *options, "--target", str(target))
    done = subprocess.run(
        [*pip, str(place)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return target


def python(
    cwd: Path, *args: str | Path, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A Python of its own: what a plugin adds to the registry ends with it."""
    path = [str(ROOT), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )


def cnnspec(
    cwd: Path, *args: str | Path, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return python(cwd, "-m", "cnnspec", *args, site=site)


def with_plugin(
    folder: Path, plugin: str, *args: str, spec: str = SPEC
) -> subprocess.CompletedProcess[str]:
    """`cnnspec ARGS spec.yaml --plugin odd.py` on these two texts."""
    (folder / "odd.py").write_text(plugin)
    (folder / "spec.yaml").write_text(spec)
    return cnnspec(folder, *(args or ("check",)), "spec.yaml", "--plugin", "odd.py")


def test_the_page_on_extending_holds_whole_files() -> None:
    assert set(FILES) == {
        "gem_pool.py",
        "net.yaml",
        "test_gem_pool.py",
        "pyproject.toml",
    }


def test_the_plugin_of_the_page_passes_the_tests_of_the_page(place: Path) -> None:
    done = python(place, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b9 passed", done.stdout)


def test_a_check_with_a_plugin_infers_shapes_and_costs(place: Path) -> None:
    arguments = ("check", "net.yaml", "--plugin", "gem_pool.py", "--format", "json")
    done = cnnspec(place, *arguments, "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    (spec,) = json.loads(done.stdout)["specs"]
    found = {layer["path"]: layer for layer in spec["layers"]}
    assert found["fine.gem_pool"]["outputs"] == [[16]]
    assert found["fine.gem_pool"]["params"] == 16
    assert found["fine.gem_pool"]["receptive_field"] is None
    # two convolutions of 3x3 on one channel, powers, and the dense layer's 24 inputs
    assert spec["totals"]["params"] == 24 * (9 + 1) + 24 + 10 * (24 + 1)


def test_a_spec_that_needs_a_plugin_has_an_error_without_it(place: Path) -> None:
    done = cnnspec(place, "check", "net.yaml", "--format", "concise")
    assert done.returncode == 1
    assert "error[CS104]: unknown operation or block `gem_pool`" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_the_program_of_a_plugin_runs_without_it(
    target: str, place: Path, tmp_path: Path
) -> None:
    arguments = ("build", "net.yaml", "--plugin", "gem_pool.py", "--target", target)
    done = cnnspec(place, *arguments, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    source = (tmp_path / "out" / "model.py").read_text()
    assert "class _GemPool(" in source and "import gem_pool" not in source
    job = Job(tmp_path / "out", "train.py", ("--epochs", "1"))
    (printed,) = finish([job], tmp_path)  # cnnspec can't be imported there
    assert "accuracy" in printed


@pytest.mark.parametrize("target", TARGETS)
def test_the_program_of_a_plugin_is_laid_out_as_all_are(
    target: str, place: Path, tmp_path: Path
) -> None:
    arguments = ("build", "net.yaml", "--plugin", "gem_pool.py", "--target", target)
    cnnspec(place, *arguments, "-o", tmp_path / "out")
    for check in (("check",), ("format", "--check", "--diff")):
        ruff = [sys.executable, "-m", "ruff", *check, "--isolated", "model.py"]
        done = subprocess.run(
            ruff, cwd=tmp_path / "out", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_explain_and_schema_know_a_plugins_operation(place: Path) -> None:
    page = cnnspec(place, "explain", "gem_pool", "--plugin", "gem_pool.py").stdout
    assert page.startswith("gem_pool\n\nGeneralised mean of each channel: (mean")
    assert "What p begins with. A number above 0; default 3." in " ".join(page.split())
    listed = cnnspec(place, "explain", "operations", "--plugin", "gem_pool.py").stdout
    assert re.search("^gem_pool  +Generalised mean", listed, re.MULTILINE)
    schema = cnnspec(place, "schema", "--plugin", "gem_pool.py").stdout
    definition = json.loads(schema)["$defs"]["gem_pool"]
    assert definition["properties"]["power"]["default"] == 3
    assert "gem_pool" not in cnnspec(place, "schema").stdout


def test_a_plugins_operation_has_the_remedies_of_all(place: Path) -> None:
    text = FILES["net.yaml"].replace("power: $power", "pwer: $power")
    (place / "typo.yaml").write_text(text)
    done = cnnspec(place, "check", "typo.yaml", "--plugin", "gem_pool.py")
    assert done.returncode == 1
    assert "unknown field `pwer` of `gem_pool`" in done.stdout
    assert "did you mean `power`?" in done.stdout
    (place / "typo.yaml").write_text(FILES["net.yaml"].replace("gem_pool", "gem_pol"))
    done = cnnspec(place, "check", "typo.yaml", "--plugin", "gem_pool.py")
    assert "did you mean `gem_pool`?" in done.stdout


def test_a_plugins_remark_is_a_warning_that_allow_silences(place: Path) -> None:
    lines = ["cnnspec: 1", "name: tiny", "input: {channels: 3, length: 1}", "layers:"]
    for allow, status in (("", 1), ("  # cnnspec: allow CS470 -- a signal", 0)):
        text = "\n".join([*lines, f"  - gem_pool{allow}", ""])
        (place / "one.yaml").write_text(text)
        arguments = ("one.yaml", "--plugin", "gem_pool.py", "--strict")
        done = cnnspec(place, "check", *arguments)
        assert done.returncode == status
        assert ("warning[CS470]: `gem_pool` of single pixels" in done.stdout) == status


def test_an_installed_operation_needs_no_option(
    place: Path, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(FILES["net.yaml"])
    done = cnnspec(tmp_path, "check", "net.yaml", "--strict", site=site)
    assert (done.returncode, done.stderr) == (0, "")
    for target in TARGETS:
        arguments = ("net.yaml", "--target", target, "-o", target)
        done = cnnspec(tmp_path, "build", *arguments, site=site)
        assert done.returncode == 0, done.stderr
        given = ("net.yaml", "--plugin", str(place / "gem_pool.py"))
        same = ("--target", target, "-o", target, "--check")
        assert cnnspec(tmp_path, "build", *given, *same).returncode == 0
    page = cnnspec(tmp_path, "explain", "gem_pool", site=site).stdout
    assert page.startswith("gem_pool\n\nGeneralised mean")
    listed = cnnspec(tmp_path, "explain", "operations", site=site).stdout
    assert listed.endswith("\nOf installed plugins: gem_pool\n")
    assert "gem_pool" not in cnnspec(tmp_path, "schema", site=site).stdout
    schema = cnnspec(tmp_path, "schema", "--installed", site=site).stdout
    assert "gem_pool" in json.loads(schema)["$defs"]


def test_both_frameworks_agree_on_an_installed_operation(
    site: Path, tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(FILES["net.yaml"])
    code = (
        "import numpy as np\n"
        "from cnnspec.testing import both_models, gap\n"
        "models = both_models(open('net.yaml').read())\n"
        "models.share_weights()\n"
        "x = np.random.default_rng(0).normal(size=(4, 1, 8, 8)).astype('float32')\n"
        "ours, theirs = models.outputs(x)\n"
        "assert ours.std() > 0 and gap(theirs, ours) <= 1e-5\n"
    )
    done = python(tmp_path, "-c", code, site=site)
    assert done.returncode == 0, done.stderr


def test_an_installed_operation_is_found_for_a_misspelt_name(
    site: Path, tmp_path: Path
) -> None:
    text = FILES["net.yaml"].replace("gem_pool", "gem_pol")
    (tmp_path / "net.yaml").write_text(text)
    done = cnnspec(tmp_path, "check", "net.yaml", site=site)
    assert "did you mean `gem_pool`?" in done.stdout
    beside = FILES["net.yaml"].replace(
        "gem_pool: {power: $power}", "gem_pool:\n        power: $power"
    )
    (tmp_path / "net.yaml").write_text(beside)
    done = cnnspec(tmp_path, "check", "net.yaml", site=site)
    assert "`power` belongs inside `gem_pool`, not beside it" in done.stdout


def test_a_block_comes_before_an_installed_operation(
    site: Path, tmp_path: Path
) -> None:
    block = "blocks: {gem_pool: {layers: [global_avg_pool]}}\nlayers: [gem_pool]\n"
    text = SPEC.partition("layers:")[0] + block
    (tmp_path / "net.yaml").write_text(text)
    first = cnnspec(tmp_path, "check", "net.yaml", "--format", "json", site=site)
    assert json.loads(first.stdout)["specs"][0]["totals"]["params"] == 0
    # What another file of the same run uses makes no difference.
    (tmp_path / "other.yaml").write_text(FILES["net.yaml"])
    both = cnnspec(
        tmp_path, "check", "other.yaml", "net.yaml", "--format", "json", site=site
    )
    assert both.returncode == 0
    assert json.loads(both.stdout)["specs"][1] == json.loads(first.stdout)["specs"][0]


def test_a_valid_spec_does_not_look_for_plugins() -> None:
    code = (
        "import sys\n"
        "from cnnspec.compile import check_file\n"
        "assert not check_file('specs/resnet18.yaml', {}).has_errors\n"
        "names = ('cnnspec.plugins', 'importlib.metadata')\n"
        "print([name for name in names if name in sys.modules])\n"
    )
    done = python(ROOT, "-c", code)
    assert done.stdout == "[]\n", done.stderr


def test_a_plugin_of_a_test_leaves_the_registry_as_it_was(tmp_path: Path) -> None:
    done = with_plugin(tmp_path, PLUGIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "odd_one" not in OPERATIONS


def test_a_class_with_two_names_is_one_operation(tmp_path: Path) -> None:
    done = with_plugin(tmp_path, PLUGIN + "\n\nAlias = OddOne\n")
    assert (done.returncode, done.stderr) == (0, "")


# what stands in PLUGIN | what becomes of it | code | message | label | line that is quoted
FAULTY = [
    ("Layer):", "Layer:", "CS121", "can't be imported", "SyntaxError: ", "class OddOne"),
    ("import Shape", "import Shap", "CS121", "can't be imported", "ImportError: ", "from"),
    ("class Odd", "import sys\nsys.exit(3)\nclass Odd", "CS121", "", "SystemExit: 3", "sys"),
    ("def keras", "def kears", "CS122", "incomplete", "OddOne lacks keras", "class OddOne"),
    ('    """Nothing."""', "", "CS122", "incomplete", "the docstring", "class OddOne"),
    ("example =", "sample =", "CS122", "incomplete", "lacks an example", "class OddOne"),
    ("Integer(1, least=1", "Integer(0, least=1", "CS122", "default of `size`", "0", "class"),
    ("op =", "name =", "CS122", "defines no operation", "", "from"),
    ("odd_one", "relu", "CS123", "`relu` is an operation already", "", "class OddOne"),
    ("odd_one", "parallel", "CS123", "`parallel` is a container already", "", "class"),
    ("odd_one", "repeat", "CS123", "`repeat` is a key beside operations", "", "class"),
    ("odd_one", "float", "CS123", "it is a word of Python", "", "class OddOne"),
    ("odd_one", "OddOne", "CS123", "`OddOne` is no name", "", "class OddOne"),
    ('"odd_one"', "3", "CS123", "`3` is no name", "", "class OddOne"),
    ("odd_one", "o" * 65, "CS123", "is no name", "", "class OddOne"),
    ("size =", "when =", "CS123", "field `when` of `odd_one` is a key", "", "class"),
    ("size =", "macs =", "CS123", "field `macs` of `odd_one` is an attribute", "", "class"),
    ("size =", "arity =", "CS123", "`arity` of `odd_one` is an attribute", "", "class"),
    ("size =", "values =", "CS123", "`values` of `odd_one` is an attribute", "", "class"),
    ("example", "arity = 1\n    example", "CS122", "`arity` of", "it is 1", "class"),
    ("example", "arity = (2, 1)\n    example", "CS122", "`arity` of", "(2, 1)", "class"),
    ("example", "versions = ()\n    example", "CS122", "`versions` of", "()", "class"),
    ("example", "follows = 1\n    example", "CS122", "`follows` of", "it is 1", "class"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "message", "label", "quoted"), FAULTY)
def test_a_faulty_plugin_is_one_diagnostic_and_wrong_use(
    old: str, new: str, code: str, message: str, label: str, quoted: str, tmp_path: Path
) -> None:
    assert old in PLUGIN
    done = with_plugin(tmp_path, PLUGIN.replace(old, new))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("error[") == 1
    first, place, *rest = done.stderr.splitlines()
    assert first.startswith(f"error[{code}]: ") and message in first
    assert place.strip().startswith("--> odd.py:")
    assert label in done.stderr
    assert rest[1].partition(" | ")[2].startswith(quoted)


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_plugin_that_is_no_file_is_wrong_use(name: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = cnnspec(tmp_path, "check", "spec.yaml", "--plugin", name)
    assert done.returncode == 2
    assert done.stderr.startswith("error[CS121]: cannot read the plugin: ")


@pytest.mark.parametrize("method", ["infer", "weights", "macs", "reach", "remarks"])
def test_a_method_that_raises_is_an_error_at_the_layer(
    method: str, tmp_path: Path
) -> None:
    own = f"\n    def {method}(self, *shapes):\n        return 1 // (self.size - 2)\n"
    done = with_plugin(tmp_path, PLUGIN + own)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"`{method}` of the plugin's `odd_one` raised ZeroDivision" in done.stdout
    assert "error[CS124]" in done.stdout and "--> spec.yaml:5:5" in done.stdout
    assert "raised at odd.py:24" in done.stdout


def test_an_infer_that_gives_no_shapes_is_an_error_at_the_layer(tmp_path: Path) -> None:
    done = with_plugin(tmp_path, PLUGIN.replace("return inputs", "return inputs[0]"))
    assert done.returncode == 1
    assert "`infer` of the plugin's `odd_one` gives no tuple of 1 Shape" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("given", "said"), [("[1 // 0]", "ZeroDivisionError"), ("3", "no list of steps")]
)
def test_an_emission_that_fails_is_an_error_at_the_layer(
    target: str, given: str, said: str, tmp_path: Path
) -> None:
    done = with_plugin(
        tmp_path,
        PLUGIN.replace("return []", f"return {given}"),
        *("build", "--target", target, "-o", "out"),
    )
    assert done.returncode == 1
    assert f"error[CS124]: `{target}` of the plugin's `odd_one` " in done.stderr
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_method_that_raises_late_is_no_bug_of_cnnspec(tmp_path: Path) -> None:
    own = "\n    def keeps(self, inputs, outputs):\n        return inputs[1]\n"
    done = with_plugin(tmp_path, PLUGIN + own, "check", "--batch-size", "8")
    assert done.returncode == 1
    assert done.stderr == (
        "error[CS124]: a plugin raised IndexError: tuple index out of range at odd.py:24\n"
    )


SINGLE = sorted({*COMMANDS} - {"init", "list", "weights"})
PARTS = ["weights convert", "weights import"]


@pytest.mark.parametrize("name", [*SINGLE, *PARTS])
def test_every_command_that_knows_operations_takes_plugins(name: str) -> None:
    assert "--plugin FILE.py" in command(*name.split(), "--help")[1]


def test_a_field_that_raises_is_no_bug_of_cnnspec(tmp_path: Path) -> None:
    field = "class Odd(Integer):\n    def accept(self, value):\n        1 / (value - 2)\n\n\n"
    plugin = PLUGIN.replace("class OddOne", f"{field}class OddOne")
    done = with_plugin(tmp_path, plugin.replace("Integer(1,", "Odd(1,"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error[CS124]: a plugin raised ZeroDivisionError: division by zero at odd.py:8\n"
    )


def test_what_an_operation_refuses_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    refusal = (
        'raise Misfit(Remark("CS390", "`odd_one` is odd", "gets 2", field="size", '
        'help="take 1"))'
    )
    done = with_plugin(tmp_path, PLUGIN.replace("return inputs", refusal))
    assert done.returncode == 1
    assert "error[CS390]: `odd_one` is odd\n --> spec.yaml:5:21" in done.stdout
    assert "^ gets 2" in done.stdout and "= help: take 1" in done.stdout


@pytest.mark.parametrize(
    ("module", "entry", "said"),
    [
        ("import nix\n", "odd:OddOne", "[CS121]: the plugin can't be imported"),
        (PLUGIN, "odd:Nix", "[CS121]: the plugin can't be imported"),
        (PLUGIN, "odd:Layer", "[CS122]: the entry point `odd_one` is no operation"),
        (PLUGIN.replace("def kera", "def kear"), "odd:OddOne", "[CS122]: an operation"),
        (PLUGIN.replace("size =", "init ="), "odd:OddOne", "[CS123]: field `init` of"),
    ],
)
def test_a_faulty_installed_plugin_is_an_error_of_the_spec_that_uses_it(
    module: str, entry: str, said: str, tmp_path: Path
) -> None:
    info = tmp_path / "site" / "odd_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd-plugin\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[cnnspec.operations]\nodd_one = {entry}\n")
    (tmp_path / "site" / "odd.py").write_text(module)
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = cnnspec(tmp_path, "check", "spec.yaml", site=tmp_path / "site")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"error{said}" in done.stdout
    assert "(installed plugin `odd-plugin`)" in done.stdout
    assert "--> spec.yaml:5:5" in done.stdout
    done = cnnspec(tmp_path, "explain", "odd_one", site=tmp_path / "site")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "odd-plugin" in done.stderr
    done = cnnspec(tmp_path, "schema", "--installed", site=tmp_path / "site")
    assert done.returncode == 0 and "warning: left out `odd_one`: " in done.stderr
