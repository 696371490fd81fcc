"""Ctrl-C ends training with a word, and the files it leaves are whole and of one epoch."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import TARGETS, Job, build, metrics, run, spec_file

LENET = spec_file("lenet5_modern").read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_an_interrupt_ends_training_and_says_what_there_is(
    target: str, tmp_path: Path
) -> None:
    """As Ctrl-C does: the whole process group gets the signal."""
    line = [
        *(sys.executable, "-c", "from cnnspec.cli import main; main()"),
        *("train", str(spec_file("lenet5_modern")), "--target", target),
        *("-o", "program", "--", "--epochs", "1000"),
    ]
    process = subprocess.Popen(
        line,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch"):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "cnnspec" not in errors
    assert "Traceback" not in errors
    made = tmp_path / "program" / "run"
    (last, best) = re.findall(
        rf"stopped after epoch (\d+); best weights \(epoch (\d+)\) are in {made}\n$",
        printed,
    )[0]
    rows = metrics(made)
    assert rows[-1]["epoch"] == len(rows) == int(last)
    assert min(rows, key=lambda row: row["val_loss"])["epoch"] == int(best)
    assert {path.name for path in made.iterdir()} == {
        *("best.safetensors", "last.safetensors", "metrics.csv", "curves.png")
    }


def test_an_interrupt_waits_until_an_epoch_is_recorded(tmp_path: Path) -> None:
    """It comes while the curves of epoch 2 are drawn."""
    program = build(LENET, "pytorch", tmp_path / "program")
    interrupted = """
import os, signal
from matplotlib.figure import Figure
drawn = []
def savefig(figure, path, **options):
    drawn.append(path)
    path.write_text(f"curves {len(drawn)}")
    if len(drawn) == 2:
        os.kill(os.getpid(), signal.SIGINT)
Figure.savefig = savefig
"""
    early = (
        "import data\ndef load(seed):\n    raise KeyboardInterrupt\ndata.load = load"
    )
    stopped, nothing = run(
        [
            Job(program, "train.py", before=interrupted),
            Job(program, "train.py", before=early),
        ],
        tmp_path,
    )
    assert stopped.status == nothing.status == 130
    assert "stopped after epoch 2; best weights" in stopped.printed
    assert len(metrics(program / "run")) == 2
    assert (program / "run" / "curves.png").read_text() == "curves 2"
    assert nothing.printed.endswith(
        "\nstopped before the end of epoch 1; nothing was saved\n"
    )
