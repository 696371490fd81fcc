"""Prints what a generated model's kernels begin as: `python draws.py TARGET < models.json`.

Standard input: {name: [text of model.py, class or function]}. Standard output, for each name and
layer: count, least, largest, mean and standard deviation of the kernel, the largest bias, a
fingerprint of the kernel's first values, and whether a second model under the same seed is equal.
"""

import json
import os
import sys

import numpy as np

SEED = 7


def described(kernel, bias):
    values = np.asarray(kernel, np.float64).ravel()
    return {
        "count": values.size,
        "least": values.min(),
        "largest": values.max(),
        "mean": values.mean(),
        "deviation": values.std(),
        "bias": 0.0 if bias is None else float(np.abs(bias).max()),
        "first": values[:64].tolist(),
    }


def pytorch(make):
    import torch

    def build():
        torch.manual_seed(SEED)
        return make()

    def layers(model):
        return {
            name: (layer.weight, layer.bias)
            for name, layer in model.named_modules()
            if hasattr(layer, "weight") and layer.weight.dim() > 1
        }

    with torch.no_grad():
        return compared(build, layers, lambda value: value.numpy())


def keras(make):
    import keras

    def build():
        keras.utils.set_random_seed(SEED)
        return make()

    def layers(model):
        return {name: pair for layer in model.layers for name, pair in kernels(layer)}

    def kernels(layer):
        bias = getattr(layer, "bias", None)
        if hasattr(layer, "kernel"):
            yield layer.name, (layer.kernel, bias)
        elif hasattr(layer, "depthwise_kernel"):
            yield f"{layer.name}.depthwise", (layer.depthwise_kernel, None)
            yield f"{layer.name}.pointwise", (layer.pointwise_kernel, bias)

    return compared(build, layers, np.asarray)


def compared(build, layers, array):
    first, again = layers(build()), layers(build())
    return {
        path: described(array(kernel), None if bias is None else array(bias))
        | {"again": bool((array(again[path][0]) == array(kernel)).all())}
        for path, (kernel, bias) in first.items()
    }


def main():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    describe = {"pytorch": pytorch, "keras": keras}[sys.argv[1]]
    result = {}
    for name, (text, function) in json.load(sys.stdin).items():
        module = {}
        exec(compile(text, f"{name}/model.py", "exec"), module)
        result[name] = describe(module[function])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
