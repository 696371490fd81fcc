"""Runs generated Keras models on the inputs that pytorch_side wrote, and its weights by path.

For each line FOLDER of standard input it writes shapes, counts and outputs beside each model
FOLDER/NAME/keras/model.py, and answers with a line.
"""

import gc
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# oneDNN's convolution of TensorFlow 2.21 is wrong on some CPUs for one channel, unequal strides
# and a single column of output: (2, 2, 2, 1) with a kernel (1, 2) and strides (1, 3), say.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
from keras.src.utils.naming import reset_uids

# Models between two clearings: Keras keeps 0.35 MB of each, and clearing costs 10 ms for each
# function that must be looked up again.
KEPT = 200


def load(path):
    spec = importlib.util.spec_from_file_location(
        f"model_{path.parent.parent.name}", path
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own_layers(model):
    """Those of a reused block, which is a model in the model, among them."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from own_layers(layer)
        else:
            yield layer


def set_weights(model, values):
    """Sets variables by path; all of them, and no others."""
    assert {w.path for w in model.weights} == set(values)
    for weight in model.weights:
        assert tuple(weight.shape) == values[weight.path].shape, weight.path
        weight.assign(values[weight.path])


def channels_last(value):
    return np.moveaxis(value, 1, -1) if value.ndim > 2 else value


def outputs_of(model, facts, drawn, training=False):
    """Outputs by name, channels first."""
    inputs = [
        channels_last(drawn[n]) if facts["maps"][n] else drawn[n]
        for n in facts["inputs"]
    ]
    found = model(inputs[0] if len(inputs) == 1 else inputs, training=training)
    found = found if isinstance(found, dict) else {"output": found}
    values = {name: np.asarray(value) for name, value in found.items()}
    return {
        name: np.moveaxis(v, -1, 1) if facts["maps"].get(name) and v.ndim > 2 else v
        for name, v in values.items()
    }


def running(model):
    return {
        f"{layer.name}.running_mean": layer.moving_mean.numpy()
        for layer in own_layers(model)
        if hasattr(layer, "moving_mean")
    }


def run(folder):
    facts = json.loads((folder / "facts.json").read_text())
    module = load(folder / "keras" / "model.py")
    build = getattr(module, facts["function"])
    model = build(training=True) if facts["heads"] else build()
    serving = build() if facts["heads"] else model
    (folder / "keras.json").write_text(json.dumps(sizes(model, serving, facts)))
    if not facts["sizes_only"]:
        save_values(model, serving, facts, folder)


def sizes(model, serving, facts):
    learned = [w for w in model.weights if "moving_" not in w.path]
    outputs = serving.output if isinstance(serving.output, dict) else {}
    outputs = outputs or {"output": serving.output}
    return {
        "params": sum(int(np.prod(w.shape)) for w in learned),
        "trainable_params": sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        "outputs": {
            name: channels_first_shape(list(value.shape[1:]), facts["maps"].get(name))
            for name, value in outputs.items()
        },
        "weights": {w.path: list(w.shape) for w in model.weights},
    }


def channels_first_shape(shape, is_maps):
    return [shape[-1], *shape[:-1]] if is_maps else shape


def save_values(model, serving, facts, folder):
    values = np.load(folder / "variables.npz")
    set_weights(model, values)
    if serving is not model:
        served = {w.path for w in serving.weights}
        set_weights(serving, {path: values[path] for path in served})
    drawn = np.load(folder / "inputs.npz")
    found = outputs_of(serving, facts, drawn)
    with_heads = outputs_of(model, facts, drawn)
    trained = outputs_of(model, facts, drawn, training=True)
    np.savez(folder / "keras_outputs.npz", **found)
    np.savez(folder / "keras_training.npz", **with_heads)
    statistics = {} if facts["random"] else running(model)
    np.savez(folder / "keras_running.npz", **statistics)
    np.savez(folder / "keras_trained.npz", **trained)


def main():
    sys.dont_write_bytecode = True
    gc.freeze()  # what is loaded stays: a collection need not walk it
    done = 0
    for line in sys.stdin:
        for folder in sorted(Path(line.rstrip("\n")).iterdir()):
            if (folder / "keras.json").exists():
                continue  # before this process had to be started again
            try:
                run(folder)
            except Exception:
                error = {"error": traceback.format_exc(limit=-2)}
                (folder / "keras.json").write_text(json.dumps(error))
            reset_uids()  # functions are named as in a new process
            done += 1
            if done % KEPT == 0:
                keras.utils.clear_session()
        print("done", flush=True)


if __name__ == "__main__":
    main()
