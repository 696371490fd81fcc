"""Prints what all weights of generated models begin as: `python first_values.py TARGET`.

Standard input: {name: [text of model.py, class or function]}. Standard output, for each name and
weight (PyTorch's key, Keras' path): least, largest, mean and standard deviation, the mean of each
quarter of its numbers, and how far its gram matrix is from the identity's.
"""

import json
import os
import sys

import numpy as np

SEED = 7


def described(value):
    value = np.asarray(value, np.float64)
    wide = value.reshape(value.shape[0], -1)
    wide = wide if wide.shape[0] < wide.shape[1] else wide.T
    gram = wide @ wide.T - np.eye(len(wide))
    return {
        "least": value.min(),
        "largest": value.max(),
        "mean": value.mean(),
        "deviation": value.std(),
        "quarters": [part.mean() for part in np.array_split(value.ravel(), 4)],
        "from_orthogonal": float(np.abs(gram).max()),
    }


def pytorch(make):
    import torch

    torch.manual_seed(SEED)
    return {name: value.numpy() for name, value in make().state_dict().items()}


def keras(make):
    import keras

    keras.utils.set_random_seed(SEED)
    return {w.path: w.numpy() for w in make().weights}


def main():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    weights = {"pytorch": pytorch, "keras": keras}[sys.argv[1]]
    result = {}
    for name, (text, function) in json.load(sys.stdin).items():
        module = {}
        exec(compile(text, f"{name}/model.py", "exec"), module)
        found = weights(module[function])
        result[name] = {path: described(value) for path, value in found.items()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
