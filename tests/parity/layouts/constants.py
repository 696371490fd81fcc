"""Convolutions with a table of connections: a kernel per connection."""

import numpy as np


def conv(tensors, values):
    names = {"weight": "kernel", "bias": "bias"}
    if values["connections"] is None:
        last = {
            name: np.moveaxis(v, (0, 1), (-1, -2)) if v.ndim > 1 else v
            for name, v in tensors.items()
        }
    else:
        last = {name: np.moveaxis(v, 0, -1) for name, v in tensors.items()}
    return {names[name]: value for name, value in last.items()}


LAYOUTS = {"conv": conv}
