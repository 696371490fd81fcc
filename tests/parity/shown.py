"""What generated models make of given inputs: `python shown.py TARGET FOLDER`.

For each FOLDER/NAME with facts.json (the model's class and function), TARGET/model.py and perhaps
x.npy (N, C, ...) writes TARGET.npz: its outputs, channels first, and each weight as PyTorch has
it, under `weight LAYER.NAME`; and TARGET.json: the names of the weights that learn.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np

SEED = 3


def load(path):
    spec = importlib.util.spec_from_file_location(f"of_{path.parent.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(found):
    return found if isinstance(found, dict) else {"output": found}


def pytorch(module, facts, x):
    import torch

    torch.manual_seed(SEED)
    model = getattr(module, facts["class"])().eval()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    learned = [name for name, value in model.named_parameters() if value.requires_grad]
    outputs = {}
    if x is not None:
        with torch.no_grad():
            found = named(model(torch.from_numpy(x)))
        outputs = {name: value.numpy() for name, value in found.items()}
    return outputs, weights, learned


def keras(module, facts, x):
    import keras

    keras.utils.set_random_seed(SEED)
    model = getattr(module, facts["function"])()
    model.trainable = False
    model.trainable = True  # what is constant stays so
    weights, learned = {}, []
    for layer in model.layers:
        for weight in layer.weights:
            name = f"{layer.name}.{'bias' if weight.name == 'bias' else 'weight'}"
            is_depthwise = "Depthwise" in type(layer).__name__
            order = by_filter if is_depthwise else channels_first
            weights[name] = order(weight.numpy(), facts["partial"])
            if weight.trainable:
                learned.append(name)
    outputs = {}
    if x is not None:
        found = named(model(np.moveaxis(x, 1, -1)))
        outputs = {name: np.moveaxis(np.asarray(v), -1, 1) for name, v in found.items()}
    return outputs, weights, learned


def channels_first(value, is_partial):
    """A kernel (..., I, O) as (O, I, ...); one per connection (..., n) as (n, ...)."""
    if value.ndim < 2:
        return value
    return (
        np.moveaxis(value, -1, 0)
        if is_partial
        else np.moveaxis(value, (-1, -2), (0, 1))
    )


def by_filter(value, _):
    """A depthwise kernel (..., C, M) as (C M, 1, ...)."""
    if value.ndim < 2:
        return value
    return np.moveaxis(value.reshape(*value.shape[:-2], -1), -1, 0)[:, None]


def main():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    target, folder = sys.argv[1], Path(sys.argv[2])
    show = {"pytorch": pytorch, "keras": keras}[target]
    for place in sorted(folder.iterdir()):
        facts = json.loads((place / "facts.json").read_text())
        x = np.load(place / "x.npy") if (place / "x.npy").exists() else None
        module = load(place / target / "model.py")
        outputs, weights, learned = show(module, facts, x)
        given = {f"weight {name}": value for name, value in weights.items()}
        np.savez(place / f"{target}.npz", **outputs, **given)
        (place / f"{target}.json").write_text(json.dumps(sorted(learned)))


if __name__ == "__main__":
    main()
