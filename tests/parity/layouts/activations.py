"""Learned slopes and factors: a vector in PyTorch, with axes of extent 1 in Keras' PReLU."""


def prelu(tensors, values):
    return {"alpha": tensors["weight"]}


def layer_scale(tensors, values):
    names = {"weight": "scale", "bias": "bias"}
    return {names[name]: value for name, value in tensors.items()}


LAYOUTS = {"prelu": prelu, "layer_scale": layer_scale}
