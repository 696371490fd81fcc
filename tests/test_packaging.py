"""What a user installs: the wheel with its declared dependencies, and the pinned set."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SHIPPED = ("schemas", "specs", "templates")
SPECS = sorted(path.name for path in (ROOT / "specs").glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = ("click", "jinja2", "jsonschema", "pyyaml")


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def required(names: tuple[str, ...]) -> set[str]:
    """Distributions that these need, themselves included, without any extra."""
    found: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                open_.append(needed.name)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", place, ROOT
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (found,) = place.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bin_(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the packages it declares, and no other."""
    place = tmp_path_factory.mktemp("core")
    made = run(sys.executable, "-m", "venv", "--without-pip", place)
    assert made.returncode == 0, made.stderr
    (packages,) = place.glob("lib/python3.*/site-packages")
    for name in required(CORE):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or []} - {
            "..",
            "__pycache__",
        }:
            (packages / top).symlink_to(Path(str(found.locate_file(top))))
    python = place / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install")
    installed = run(*pip, "--no-index", "--no-deps", wheel)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return place / "bin"


def test_wheel_ships_schemas_specs_and_templates_as_they_are(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        found = {
            name.removeprefix("cnnspec/_data/"): packed.read(name)
            for name in packed.namelist()
            if name.startswith("cnnspec/_data/")
        }
    files = [f for top in SHIPPED for f in (ROOT / top).rglob("*") if f.is_file()]
    assert found == {str(f.relative_to(ROOT)): f.read_bytes() for f in files}
    assert {name.partition("/")[0] for name in found} == set(SHIPPED)


def test_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        tops = {name.partition("/")[0] for name in packed.namelist()}
        names = set(packed.namelist())
    info = f"cnnspec-{PROJECT['version']}.dist-info"
    assert tops == {"cnnspec", info}
    assert {"cnnspec/py.typed", "cnnspec/codes.yaml"} <= names
    assert f"{info}/licenses/LICENSE" in names


@pytest.mark.parametrize("spec", SPECS)
def test_installed_wheel_checks_the_shipped_specs(
    bin_: Path, spec: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "specs" / spec, tmp_path / "mine.yaml")
    done = run(bin_ / "cnnspec", "check", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "parameters" in done.stdout


def test_installed_wheel_prints_the_schema_it_ships(bin_: Path, tmp_path: Path) -> None:
    done = run(bin_ / "cnnspec", "schema", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    schema = ROOT / "schemas" / "cnnspec-1.schema.json"
    assert done.stdout == schema.read_text()


def test_installed_wheel_lists_and_copies_its_specs(bin_: Path, tmp_path: Path) -> None:
    listed = run(bin_ / "cnnspec", "list", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert [line.split()[0] + ".yaml" for line in listed.stdout.splitlines()[1:]] == (
        SPECS
    )
    copied = run(
        bin_ / "cnnspec", "init", "--from", "resnet50", "my.yaml", cwd=tmp_path
    )
    assert copied.returncode == 0, copied.stderr
    text = (ROOT / "specs" / "resnet50.yaml").read_text()
    assert (tmp_path / "my.yaml").read_text().endswith(text.partition("\n")[2])


def test_installed_wheel_explains_a_mistake(bin_: Path, tmp_path: Path) -> None:
    spec = (ROOT / "specs" / "lenet5_modern.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(spec.replace("filters: 6", "filter: 6"))
    done = run(bin_ / "cnnspec", "check", "mine.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "did you mean `filters`?" in done.stdout


@pytest.mark.parametrize("target", ["pytorch", "keras"])
def test_installed_wheel_builds_what_the_checkout_builds(
    bin_: Path, target: str, tmp_path: Path
) -> None:
    spec = ROOT / "specs" / "resnet18.yaml"
    arguments = ("build", spec, "--target", target, "-o", "out")
    built = run(bin_ / "cnnspec", *arguments, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr
    checkout = (sys.executable, "-m", "cnnspec")
    same = run(*checkout, *arguments, "--check", cwd=tmp_path)
    assert same.returncode == 0, same.stdout + same.stderr


def test_core_dependencies_are_these_four() -> None:
    names = {re.split(r"[<>=]", line)[0] for line in PROJECT["dependencies"]}
    assert names == set(CORE)
    extras = PROJECT["optional-dependencies"]
    assert set(extras) == {"program", "pytorch", "keras", "all", "dev"}


def test_lock_pins_and_hashes_each_development_package_and_names_no_place() -> None:
    text = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"(?m)^([\w.-]+)==\S+( ; .+)? \\\n    --hash=sha256:", text)
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    assert len(pins) == len(lines)
    assert "://" not in text and "index" not in text
    wanted = [*PROJECT["dependencies"], "torch", "torchvision", "tensorflow", "keras"]
    wanted += PROJECT["optional-dependencies"]["dev"]
    names = {re.split(r"[<>=\[]", line)[0] for line in wanted} - {"cnnspec"}
    assert names <= {name for name, _ in pins}


def test_make_names_the_versions_of_python_it_needs(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    done = run("make", "setup", "PYTHON=/bin/false", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "found: /bin/false" in done.stderr
    assert not (tmp_path / ".venv").exists()
