"""The repository enters; docs/benchmarks.md leaves. Exits with 1 where a target is missed."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.flat import flat_spec
from benchmarks.page import CHECK, RATIOS, page, value
from benchmarks.timing import Command, time_interleaved

HERE = Path(__file__).parent
ROOT = HERE.parent
LOCK = ROOT / "requirements.lock"
PAGE = ROOT / "docs" / "benchmarks.md"
RESNET = ROOT / "specs" / "resnet18.yaml"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="counted runs of each")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        medians = time_interleaved(prepare(place), rounds)
    missed = [r for r in RATIOS if r.most and value(r, medians) > r.most]
    PAGE.write_text(page(medians, rounds), encoding="utf-8")
    print(page(medians, rounds))
    for ratio in missed:
        print(
            f"missed: {ratio.case} / {ratio.base} = {value(ratio, medians):.2f}, "
            f"at most {ratio.most}",
            file=sys.stderr,
        )
    return 1 if missed else 0


def prepare(place: Path) -> dict[str, Command]:
    """Installs the wheel by pip into an environment of its own, writes specs and program.

    The packages it needs are pinned as in the lock.
    """
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", place, ROOT)
    venv.create(place / "venv", with_pip=True)
    bin_ = place / "venv" / "bin"
    (wheel,) = place.glob("*.whl")
    pins = place / "pins.txt"
    pins.write_text("\n".join(re.findall(r"(?m)^\S+==[^\\]+", LOCK.read_text())))
    run(bin_ / "python", "-m", "pip", "install", "--quiet", "-c", pins, wheel)
    program = place / "resnet18-keras"
    run(bin_ / "cnnspec", "build", RESNET, "--target", "keras", "-o", program)
    python, cnnspec = str(bin_ / "python"), str(bin_ / "cnnspec")
    commands: dict[str, Command] = {
        "python -c pass": (python, "-c", "pass"),
        "python -c 'import click, yaml'": (python, "-c", "import click, yaml"),
        CHECK: (cnnspec, "check", str(RESNET)),
    }
    for layers in (1_000, 10_000, 20_000):
        spec = place / f"flat{layers}.yaml"
        spec.write_text(flat_spec(layers))
        commands[f"{layers:,} flat layers"] = (cnnspec, "check", str(spec))
    torchinfo, keras = HERE / "summary_torchinfo.py", HERE / "summary_keras.py"
    commands["torchinfo's summary"] = (sys.executable, str(torchinfo))
    commands["Keras' summary"] = (sys.executable, str(keras), str(program))
    return commands


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
