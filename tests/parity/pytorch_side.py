"""Runs generated PyTorch models: `python pytorch_side.py FOLDER`.

For each FOLDER/NAME/pytorch/model.py: builds it on the meta device and for real, draws weights,
running statistics and inputs, and writes shapes, counts, weights and outputs beside it.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import torch


def load(path):
    spec = importlib.util.spec_from_file_location(f"model_{path.parent.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw_inputs(facts, rng):
    inputs = {}
    for name, shape in facts["inputs"].items():
        if facts["tokens"].get(name):
            inputs[name] = rng.integers(0, facts["tokens"][name], (2, *shape))
        else:
            inputs[name] = rng.standard_normal((2, *shape), np.float32)
    return inputs


def run(folder):
    facts = json.loads((folder / "facts.json").read_text())
    module = load(folder / "pytorch" / "model.py")
    build = getattr(module, facts["class"])
    with torch.device("meta"):
        meta = build().eval()
        inputs = [torch.empty(2, *shape) for shape in facts["inputs"].values()]
        outputs = meta(*inputs)
    rng = np.random.default_rng(facts["seed"])
    torch.manual_seed(facts["seed"])
    model = build().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if "running_var" in name:
                value.uniform_(0.5, 2)
            elif "running_mean" in name:
                value.normal_()
            elif value.dim() == 1:
                value.uniform_(0.5, 1.5)
        drawn = draw_inputs(facts, rng)
        found = model(*map(torch.from_numpy, drawn.values()))
        state = {k: v.numpy().copy() for k, v in model.state_dict().items()}
        # Training mode decides which outputs exist.
        trained = model.train()(*map(torch.from_numpy, drawn.values()))
    found = found if isinstance(found, dict) else {"output": found}
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    trained = trained if isinstance(trained, dict) else {"output": trained}
    result = {
        "params": sum(p.numel() for p in meta.parameters()),
        "trainable_params": sum(p.numel() for p in meta.parameters() if p.requires_grad),
        "outputs": {name: list(value.shape[1:]) for name, value in outputs.items()},
        "training_outputs": sorted(trained),
        "keys": [key for key in model.state_dict() if "num_batches" not in key],
    }
    (folder / "pytorch.json").write_text(json.dumps(result))
    np.savez(folder / "weights.npz", **state)
    np.savez(folder / "inputs.npz", **drawn)
    np.savez(folder / "pytorch.npz", **{k: v.numpy() for k, v in found.items()})


def main():
    torch.set_num_threads(1)
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        try:
            run(folder)
        except Exception as error:
            (folder / "pytorch.json").write_text(json.dumps({"error": repr(error)}))


if __name__ == "__main__":
    main()
