"""Functions of single numbers that a layer may lack, or may have too much, by their names."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, pi, sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017: SELU's two constants.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(x: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
    return found


def _elu(x: Array) -> Array:
    found: Array = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    return found


def _gelu(x: Array) -> Array:
    erfs = np.array([erf(value / sqrt(2)) for value in x.ravel()])
    found: Array = x * (1 + erfs.reshape(x.shape)) / 2
    return found


def _gelu_tanh(x: Array) -> Array:
    found: Array = x / 2 * (1 + np.tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))
    return found


def _softmax(x: Array) -> Array:
    """Over the channels."""
    if x.ndim < 2:
        return x
    powers = np.exp(x - x.max(1, keepdims=True))
    found: Array = powers / powers.sum(1, keepdims=True)
    return found


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "ReLU": lambda x: np.maximum(x, 0),
    "the absolute value": np.abs,
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "tanh": np.tanh,
    "the sigmoid": _sigmoid,
    "SiLU": lambda x: x * _sigmoid(x),
    "GELU in its exact form": _gelu,
    "GELU in its tanh form": _gelu_tanh,
    "ELU": _elu,
    "SELU": lambda x: (
        SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))
    ),
    "softplus": lambda x: np.logaddexp(x, 0),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "the hard sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "leaky ReLU of slope 0.01": lambda x: np.where(x > 0, x, 0.01 * x),
    "the square": np.square,
    "the negative": np.negative,
    "softmax": _softmax,
}
# What a layer may apply by mistake to another's value, and no layer makes on its way.
ACTIVATIONS = (
    "ReLU",
    "ReLU6",
    "tanh",
    "GELU in its exact form",
    "GELU in its tanh form",
    "SiLU",
    "ELU",
    "SELU",
    "the sigmoid",
    "softplus",
    "mish",
    "the hard sigmoid",
    "hard swish",
    "leaky ReLU of slope 0.01",
)
