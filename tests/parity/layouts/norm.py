"""Normalisations: scale and shift, and running statistics."""

import numpy as np


def batch_norm(tensors, values):
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return {names[name]: value for name, value in tensors.items() if name in names}


def scale_and_shift(tensors, values):
    """Of single axes or of all: (C, H, W) to (H, W, C)."""
    names = {"weight": "gamma", "bias": "beta"}
    return {names[name]: np.moveaxis(v, 0, -1) for name, v in tensors.items()}


def rms_norm(tensors, values):
    return {"scale": np.moveaxis(tensors["weight"], 0, -1)}


LAYOUTS = {
    "batch_norm": batch_norm,
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), scale_and_shift),
    "rms_norm": rms_norm,
}
