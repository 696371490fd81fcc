"""TensorFlow's operations without a float64 kernel on the CPU, composed of those that have one."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_nn_ops

composed: set[str] = set()  # those that a run has used
_max_pool3d = gen_nn_ops.max_pool3d


def compose_in_float64() -> None:
    """From now on 3-D max pooling of float64 is one over two axes and one over the third."""
    gen_nn_ops.max_pool3d = max_pool3d


def max_pool3d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    name: str | None = None,
) -> Any:
    """As TensorFlow's; the largest of a box is the largest of its slices' largest."""
    if input.dtype != tf.float64 or data_format != "NDHWC":
        return _max_pool3d(input, ksize, strides, padding, data_format, name)
    composed.add("MaxPool3D")
    count, depth, height, width, channels = input.shape
    slices = tf.reshape(input, (count * depth, height, width, channels))
    flat = tf.nn.max_pool2d(slices, ksize[2:4], strides[2:4], padding)
    _, height, width, _ = flat.shape
    rows = tf.reshape(flat, (count, depth, height * width, channels))
    whole = tf.nn.max_pool2d(rows, (ksize[1], 1), (strides[1], 1), padding)
    return tf.reshape(whole, (count, whole.shape[1], height, width, channels))
