"""A name enters; the folder of schemas, specs or templates that ship with cnnspec leaves."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """The folder `schemas`, `specs` or `templates`: of the wheel, else of the checkout."""
    packed = PACKAGE / "_data" / name
    return packed if packed.is_dir() else PACKAGE.parent / name
