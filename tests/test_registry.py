"""The table of families names every operation, and a check imports those that a spec uses."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cnnspec.layers
from cnnspec.layers import FAMILIES
from cnnspec.layers.layer import Layer

ROOT = Path(__file__).parents[1]
MODULES = sorted(p.stem for p in Path(cnnspec.layers.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_a_family_lists_the_operations_of_its_module(module: str) -> None:
    found = import_module(f"cnnspec.layers.{module}")
    ops = [
        cls.op
        for cls in vars(found).values()
        if isinstance(cls, type)
        and issubclass(cls, Layer)
        and cls.op
        and cls.__module__ == found.__name__
    ]
    assert sorted(ops) == sorted(FAMILIES.get(module, "").split())


def test_a_check_imports_the_families_of_its_spec_alone() -> None:
    code = (
        "import sys; from cnnspec.compile import check_file; "
        "assert not check_file('specs/resnet18.yaml', {}).diagnostics; "
        "print(*(m for m in sys.modules if m.startswith('cnnspec.layers.')))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    used = {m.rpartition(".")[2] for m in run.stdout.split()} & set(FAMILIES)
    # What lint and expansion know by themselves: activations, dense, merges, split.
    own = {"activation", "dense", "merge", "split"}
    assert used - own == {"conv", "norm", "pool", "adaptive", "pointwise"}
