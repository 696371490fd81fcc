"""Runs generated Keras models on the weights and inputs that pytorch_side wrote.

For each line FOLDER of standard input it writes shapes, counts and outputs beside each model
FOLDER/NAME/keras/model.py, and answers with a line.
"""

import importlib.util
import json
import os
import sys
import traceback
from functools import reduce
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# oneDNN's convolution of TensorFlow 2.21 is wrong on some CPUs for one channel, unequal strides
# and a single column of output: (2, 2, 2, 1) with a kernel (1, 2) and strides (1, 3), say.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import keras
import numpy as np
from layouts import LAYOUTS
from owners import owner_of


def load(path):
    spec = importlib.util.spec_from_file_location(
        f"model_{path.parent.parent.name}", path
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def to_keras(value):
    """Kernels (O, I, spatial...) to (spatial..., I, O); vectors stay."""
    if value.ndim <= 1:
        return value
    axes = (*range(2, value.ndim), 1, 0)
    return value.transpose(axes)


def usual(tensors, places):
    """Under the same names; else kernels and biases, under Keras' names."""
    names = {"weight": "kernel", "bias": "bias"}
    found = {}
    for name, value in tensors.items():
        if is_variable(places([name])):
            found[name] = value
        else:
            found[names.get(name, name)] = to_keras(value)
    return found


def is_variable(found):
    return bool(found) and hasattr(found[0], "assign")


def own_layers(model):
    """Those of a reused block, which is a model in the model, among them."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from own_layers(layer)
        else:
            yield layer


def variables_of(path, layers):
    """Finds attributes of the layer of that path, or of its parts `path.part`; none where one lacks."""

    def variables(attributes):
        try:
            return [find(attribute.split(".")) for attribute in attributes]
        except (AttributeError, KeyError):
            return []

    def find(names):
        part = f"{path}.{names[0]}"
        if part in layers:
            return reduce(getattr, names[1:], layers[part])
        return reduce(getattr, names, layers[path])

    return variables


def placed(node, tensors, places):
    """Arrays by attribute of the Keras layer."""
    layout = LAYOUTS.get(node["op"])
    found = layout(tensors, node["values"]) if layout else usual(tensors, places)
    options = found if isinstance(found, list) else [found]
    for option in options:
        if not option or places(option):
            return option
    names = ", ".join(f"`{name}`" for option in options for name in option)
    raise LookupError(
        f"Keras' layer of `{node['op']}` lacks one of {names}: write LAYOUTS in "
        "tests/parity/layouts"
    )


def set_weights(model, weights, graph):
    nodes = {n["path"].replace("[", ".").replace("]", ""): n for n in graph["nodes"]}
    by_layer = {}
    for key, value in weights.items():
        path, name = owner_of(key, nodes)
        if name != "num_batches_tracked":
            by_layer.setdefault(path, {})[name] = value
    own = {layer.name: layer for layer in own_layers(model)}
    for path, tensors in by_layer.items():
        node = nodes[path]
        places = variables_of(path, own)
        for attribute, value in placed(node, tensors, places).items():
            (variable,) = places([attribute])
            if value.ndim < len(variable.shape):  # the same numbers over more axes
                value = value.reshape(variable.shape)
            variable.assign(value)
    weighted = {layer.name for layer in own_layers(model) if layer.weights}
    unset = {
        name for name in weighted if owner_of(f"{name}.", by_layer)[0] not in by_layer
    }
    assert not unset, unset


def set_weights_by_name(target, source):
    values = {w.path: w.numpy() for w in source.weights}
    for weight in target.weights:
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
        "names": [layer.name for layer in own_layers(model) if layer.weights],
    }


def channels_first_shape(shape, is_maps):
    return [shape[-1], *shape[:-1]] if is_maps else shape


def save_values(model, serving, facts, folder):
    graph = json.loads((folder / "graph.json").read_text())
    set_weights(model, np.load(folder / "weights.npz"), graph)
    if serving is not model:
        set_weights_by_name(serving, model)
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
    for line in sys.stdin:
        for folder in sorted(Path(line.rstrip("\n")).iterdir()):
            if (folder / "keras.json").exists():
                continue  # before this process had to be started again
            try:
                run(folder)
            except Exception:
                error = {"error": traceback.format_exc(limit=-2)}
                (folder / "keras.json").write_text(json.dumps(error))
            keras.utils.clear_session(free_memory=False)  # collecting costs 0.2 s
        print("done", flush=True)


if __name__ == "__main__":
    main()
