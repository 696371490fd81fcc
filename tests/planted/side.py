"""Runs one side of `verify` for many folders: `python -m tests.planted.side SIDE`.

It reads a folder's path from a line, runs the side in it, and says `done`; a line `differs PATH`
asks whether the model in `PATH/SIDE` does otherwise than that in `PATH/pristine`.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

Arrays = dict[str, np.ndarray[Any, Any]]


def main() -> None:
    side = sys.argv[1]
    module = importlib.import_module(f"cnnspec.verify.{side}_side")
    exchange = importlib.import_module("cnnspec.verify.exchange")
    for line in iter(sys.stdin.readline, ""):
        word, _, name = line.strip().partition(" ")
        folder = Path(name)
        if word == "differs":
            print(json.dumps(difference(side, folder)), flush=True)
            continue
        try:
            facts = json.loads((folder / "facts.json").read_text())
            module.run(exchange.Exchange(folder, facts))
        except Exception as error:
            traceback.print_exc()
            fault = json.dumps(exchange.first_line(error))
            (folder / f"{side}-fault.json").write_text(fault)
            sys.exit(1)
        if side == "keras":
            refresh(module)
        print("done", flush=True)


def refresh(module: Any) -> None:
    """What a process has of its own."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(False)
    module.composed.clear()


def difference(side: str, folder: Path) -> float | str:
    """The largest of all that both models make and learn, relative; or why one can't."""
    facts = json.loads((folder / "facts.json").read_text())
    inputs = load_file(folder / "inputs.safetensors")
    given = [inputs[name] for name in facts["inputs"]]
    behaviour = {"pytorch": behaviour_of_pytorch, "keras": behaviour_of_keras}[side]
    one, other = (
        behaviour(folder, which, facts, given) for which in ("pristine", side)
    )
    if one.keys() != other.keys():
        return "other tensors"
    return max(_apart(one[name], other[name]) for name in one)


def _apart(one: Any, other: Any) -> float:
    if one.shape != other.shape:
        return float("inf")
    largest = float(np.abs(one).max(initial=0)) or 1e-30
    return (
        float(np.nan_to_num(np.abs(one - other), nan=np.inf).max(initial=0)) / largest
    )


def _module(folder: Path, which: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": "model"}
    exec((folder / which / "model.py").read_text(), found)
    return found


def behaviour_of_pytorch(
    folder: Path, which: str, facts: Any, inputs: list[Any]
) -> Arrays:
    import torch

    torch.set_default_dtype(torch.float32)
    model = _module(folder, which)[facts["class"]]()
    state = load_file(folder / "weights.safetensors")
    model.load_state_dict(
        {n: torch.from_numpy(v) for n, v in state.items()}, strict=False
    )
    tensors = [torch.from_numpy(value) for value in inputs]
    with torch.no_grad():
        found = {"serving": model.eval()(*tensors)}
    found["training"] = model.train()(*tensors)
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(found["training"].shape, generator=generator)
    (found["training"] * factors).sum().backward()
    found |= {
        f"gradient of {n}": p.grad
        for n, p in model.named_parameters()
        if p.grad is not None
    }
    found |= {f"after {n}": v for n, v in model.state_dict().items()}
    return {name: value.detach().numpy() for name, value in found.items()}


def behaviour_of_keras(
    folder: Path, which: str, facts: Any, inputs: list[Any]
) -> Arrays:
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    model = _module(folder, which)[facts["function"]]()
    state = load_file(folder / "weights-keras.safetensors")
    for variable in model.weights:
        if variable.path in state:
            variable.assign(state[variable.path])
    maps = facts["maps"][facts["inputs"][0]]
    given = [np.moveaxis(v, 1, -1) if maps else v for v in inputs]
    arrays = given[0] if len(given) == 1 else given
    found = {"serving": model(arrays, training=False)}
    with tf.GradientTape() as tape:
        found["training"] = model(arrays, training=True)
        shape = found["training"].shape
        factors = np.random.default_rng(0).random(shape, np.float32)
        loss = tf.reduce_sum(found["training"] * factors)
    sources = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in sources])
    found |= {
        f"gradient of {v.path}": tf.convert_to_tensor(g)
        for v, g in zip(sources, gradients, strict=True)
        if g is not None
    }
    found |= {f"after {v.path}": v.value for v in model.weights if "seed" not in v.path}
    return {name: np.asarray(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
