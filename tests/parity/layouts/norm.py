"""Normalisations: scale and shift, and running statistics."""


def batch_norm(tensors, values):
    names = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    return {names[name]: value for name, value in tensors.items() if name in names}


LAYOUTS = {"batch_norm": batch_norm}
