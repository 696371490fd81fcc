"""What both processes need is told: which packages are missing, and which versions there are."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# What both processes import before they load a program.
PACKAGES = ("torch", "keras", "tensorflow", "safetensors", "numpy")
WHEELS = {
    "PyTorch": ("torch",),
    "Keras": ("keras",),
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel"),
}


def missing_packages() -> list[str]:
    """Those of PACKAGES that are not installed here."""
    return [name for name in PACKAGES if find_spec(name) is None]


def versions() -> dict[str, str]:
    """Of the frameworks, by the names they go by."""
    return {name: _version(wheels) for name, wheels in WHEELS.items()}


def _version(wheels: Sequence[str]) -> str:
    for wheel in wheels:
        try:
            return version(wheel)
        except PackageNotFoundError:
            continue
    return "of unknown version"
