"""Runs generated PyTorch models, for each line FOLDER of standard input; answers with a line.

For each FOLDER/NAME/pytorch/model.py: builds it on the meta device and for real, draws weights,
running statistics and inputs, and writes shapes, counts, weights and outputs beside it; and as
`expected` what the graph itself comes to on them.
"""

import gc
import importlib.util
import json
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from evaluator import evaluate
from torch.utils.flop_counter import FlopCounterMode


def load(path):
    spec = importlib.util.spec_from_file_location(
        f"model_{path.parent.parent.name}", path
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw_inputs(facts, rng):
    inputs, count = {}, facts["samples"]
    for name, shape in facts["inputs"].items():
        if facts["tokens"].get(name):
            inputs[name] = rng.integers(0, facts["tokens"][name], (count, *shape))
        else:
            inputs[name] = rng.standard_normal((count, *shape), np.float32)
    return inputs


def draw_weights(model):
    """Biases, scales and statistics that a wrong order would not survive; kernels stay as drawn."""
    constant = {
        n for n, p in model.named_parameters() if p.dim() > 1 and not p.requires_grad
    }
    for name, value in model.state_dict().items():
        if name in constant:
            continue
        if "running_var" in name:
            value.uniform_(0.5, 2)
        elif "running_mean" in name:
            value.normal_()
        elif "proj" in name and value.dim() > 1:
            value.normal_(0, 0.5)  # attention begins nearly even
        elif value.dim() == 1 or (value.dim() and (value == value.flatten()[0]).all()):
            value.uniform_(0.5, 1.5)  # all ones, or all zeros


def named(found):
    return found if isinstance(found, dict) else {"output": found}


def alone(outputs):
    """A single output is called `output`, whatever its name."""
    if len(outputs) > 1:
        return outputs
    (value,) = outputs.values()
    return {"output": value}


def run(folder):
    facts = json.loads((folder / "facts.json").read_text())
    module = load(folder / "pytorch" / "model.py")
    build = getattr(module, facts["class"])
    (folder / "pytorch.json").write_text(json.dumps(sizes(build, facts)))
    if not facts["sizes_only"]:
        save_values(build, facts, folder)


def sizes(build, facts):
    """On the meta device: shapes without numbers."""
    count = facts["samples"]
    with torch.device("meta"):
        model = build().eval()
        kinds = {n: torch.int64 for n, size in facts["tokens"].items() if size}
        inputs = [
            torch.empty(count, *shape, dtype=kinds.get(name))
            for name, shape in facts["inputs"].items()
        ]
        with FlopCounterMode(display=False) as counter:
            outputs = named(model(*inputs))
    trainable = [p.numel() for p in model.parameters() if p.requires_grad]
    return {
        "params": sum(p.numel() for p in model.parameters()),
        "trainable_params": sum(trainable),
        "macs": counter.get_total_flops() // 2 // count,  # two operations each
        "outputs": {name: list(value.shape[1:]) for name, value in outputs.items()},
        "weights": {
            key: list(value.shape)
            for key, value in model.state_dict().items()
            if "num_batches" not in key
        },
    }


def save_values(build, facts, folder):
    rng = np.random.default_rng(facts["seed"])
    torch.manual_seed(facts["seed"])
    model = build().eval()
    with torch.no_grad():
        draw_weights(model)
        drawn = draw_inputs(facts, rng)
        tensors = [torch.from_numpy(value) for value in drawn.values()]
        state = {k: v.clone() for k, v in model.state_dict().items()}
        found = named(model(*tensors))
        model.training = True  # heads answer, layers stay in evaluation
        with_heads = named(model(*tensors))
        trained = named(model.train()(*tensors))
    running = {k: v for k, v in model.state_dict().items() if "running_mean" in k}
    graph = json.loads((folder / "graph.json").read_text())
    exact = as_numbers(torch.float64, state, drawn)
    save_evaluated("expected", graph, *exact, folder)
    save_evaluated("rounded", graph, *as_numbers(torch.float32, state, drawn), folder)
    moved = evaluate(graph, *exact, training=True)[1] if running else {}
    np.savez(folder / "expected_running.npz", **({} if facts["random"] else moved))
    np.savez(folder / "weights.npz", **state)
    np.savez(folder / "inputs.npz", **drawn)
    np.savez(folder / "pytorch_outputs.npz", **found)
    np.savez(folder / "pytorch_training.npz", **with_heads)
    np.savez(folder / "pytorch_running.npz", **({} if facts["random"] else running))
    np.savez(folder / "pytorch_trained.npz", **trained)


def as_numbers(kind, state, drawn):
    """Weights and inputs in numbers of a kind."""
    weights = {name: value.to(kind) for name, value in state.items()}
    return weights, {n: torch.from_numpy(value).to(kind) for n, value in drawn.items()}


def save_evaluated(side, graph, weights, inputs, folder):
    """What the graph itself comes to, under the side's name."""
    found, _ = evaluate(graph, weights, inputs)
    served = {name: value for name, value in found.items() if name in graph["served"]}
    np.savez(folder / f"{side}_outputs.npz", **alone(served))
    np.savez(folder / f"{side}_training.npz", **alone(found))


def main():
    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    gc.freeze()  # what is loaded stays: a collection need not walk it
    for line in sys.stdin:
        for folder in sorted(Path(line.rstrip("\n")).iterdir()):
            if (folder / "pytorch.json").exists():
                continue  # before this process had to be started again
            try:
                run(folder)
            except Exception:
                error = {"error": traceback.format_exc(limit=-2)}
                (folder / "pytorch.json").write_text(json.dumps(error))
        print("done", flush=True)


if __name__ == "__main__":
    main()
