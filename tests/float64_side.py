"""Programs' folders enter; each is trained in float64 as it stands, and its weights leave.

`python float64_side.py TARGET FOLDER…` runs as a process of one framework. A folder holds the
program, `first.safetensors` with the weights it begins with, and the data that it names.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from cnnspec.verify.loading import load_program, rounded

NAMES = ("data", "model", "train")


def pytorch(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.set_default_dtype(torch.float64)
    model, train = load_program(folder, NAMES, float64=True)[1:]

    def begun() -> Any:
        made = model.Tiny()
        made.load_state_dict(load_file(folder / "first.safetensors"))
        for part in made.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.eps = rounded(part.eps)
                part.momentum = 1 - rounded(1 - (part.momentum or 0))
        return made

    run(folder, train, "Tiny", begun)


def keras(folder: Path) -> None:
    import keras
    import tensorflow as tf
    from safetensors.numpy import load_file

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    model, train = load_program(folder, NAMES, float64=True)[1:]

    def begun(**options: bool) -> Any:
        made = model.tiny(**options)
        weights = load_file(folder / "first.safetensors")
        for variable in made.weights:
            variable.assign(weights[variable.path])
        return made

    make_steps = train.make_steps
    nothing = tf.zeros(2, tf.float64)
    if not hasattr(train, "WEIGHTS"):
        # Validation would be a second graph to make for each program.
        train.make_steps = lambda *args: (make_steps(*args)[0], lambda *arrays: nothing)
    run(folder, train, "tiny", begun)


def run(folder: Path, train: ModuleType, name: str, begun: Callable[[], Any]) -> None:
    """The program's own training, but for its first weights and its pictures."""
    setattr(train, name, begun)
    train.draw_curves = lambda history, path: None  # type: ignore[attr-defined]
    args = Namespace(
        epochs=train.EPOCHS,
        batch_size=train.BATCH_SIZE,
        seed=train.SEED,
        device="cpu",
        data=train.PATH,
        output=folder / "run",
    )
    train.train_model(args, [])


if __name__ == "__main__":
    target, *folders = sys.argv[1:]
    for folder in map(Path, folders):
        os.chdir(folder)
        {"pytorch": pytorch, "keras": keras}[target](folder)
        print(folder.name, flush=True)
