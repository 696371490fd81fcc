"""Embedding, recurrent layers and attention."""

import numpy as np


def embedding(tensors, values):
    return {"embeddings": tensors["weight"]}


def lstm(tensors, values):
    return recurrent(tensors, values, lambda one: one["bias_ih_l0"])


def gru(tensors, values):
    """The update gate comes before the reset gate, and both biases are one array."""
    turned = {name: update_first(value) for name, value in tensors.items()}

    def biases(one):
        return np.stack([one["bias_ih_l0"], one["bias_hh_l0"]])

    return recurrent(turned, values, biases)


def update_first(rows):
    reset, update, new = np.split(rows, 3)
    return np.concatenate([update, reset, new])


def recurrent(tensors, values, bias):
    placed = {}
    both = values["bidirectional"]
    for back, direction in {
        "": "forward_layer.",
        "_reverse": "backward_layer.",
    }.items():
        own = {
            name.removesuffix("_reverse"): value
            for name, value in tensors.items()
            if name.endswith("_reverse") == bool(back)
        }
        if not own:
            continue
        cell = f"{direction if both else ''}cell."
        placed[f"{cell}kernel"] = own["weight_ih_l0"].T
        placed[f"{cell}recurrent_kernel"] = own["weight_hh_l0"].T
        if values["bias"]:
            placed[f"{cell}bias"] = bias(own)
    return placed


def attention(tensors, values):
    """A kernel's rows or columns are cut into heads."""
    heads = values["heads"]
    packed = tensors.get("in_proj_weight")
    kernels = [tensors[f"{n}_proj_weight"] for n in "qkv"] if packed is None else packed
    kernels = kernels if packed is None else np.split(packed, 3)
    layers = ("query_dense", "key_dense", "value_dense")
    placed = {
        f"_{layer}.kernel": kernel.T.reshape(kernel.shape[1], heads, -1)
        for layer, kernel in zip(layers, kernels, strict=True)
    }
    out = tensors["out_proj.weight"]
    placed["_output_dense.kernel"] = out.T.reshape(heads, -1, out.shape[0])
    if values["bias"]:
        biases = np.split(tensors["in_proj_bias"], 3)
        for layer, bias in zip(layers, biases, strict=True):
            placed[f"_{layer}.bias"] = bias.reshape(heads, -1)
        placed["_output_dense.bias"] = tensors["out_proj.bias"]
    return placed


LAYOUTS = {
    "embedding": embedding,
    "lstm": lstm,
    "gru": gru,
    "attention": attention,
}
