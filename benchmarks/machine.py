"""Nothing enters; a description of the machine and the measured versions leaves."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "click",
    "pyyaml",
    "torch",
    "torchvision",
    "torchinfo",
    "tensorflow",
    "keras",
)


def describe_machine() -> list[str]:
    """Lines about processor, system and versions; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory",
        f"{platform.system()} on {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "an unnamed processor"
