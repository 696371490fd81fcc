"""A loss and what it is measured on enter; the code of loss and metric in both targets leaves."""

from __future__ import annotations

from typing import NamedTuple

CLASSES, ONE_OF_TWO = "classes", "one of two"


class Objective(NamedTuple):
    """What training makes small, and what is reported beside it.

    Args:
        loss: as the spec names it.
        labelled: whether samples have a class; else they have numbers, one for each output.
        wanted: CLASSES where the loss compares with a one and zeros, ONE_OF_TWO with one
            number that is 0 or 1; else empty, and the labels or numbers are taken as they are.
        regression: whether outputs are numbers without a right or wrong.
        reproduces: the axes of an output that is compared with the input itself; else 0.
    """

    loss: str
    labelled: bool
    wanted: str
    regression: bool
    reproduces: int = 0

    @property
    def outputs(self) -> str:
        """What generated code calls the model's output."""
        return "outputs" if self.loss == "mean_squared_error" else "logits"

    @property
    def metric(self) -> str:
        """As a column of metrics.csv says it."""
        return "mean_absolute_error" if self.regression else "accuracy"

    @property
    def metric_sum(self) -> str:
        return "error" if self.regression else "correct"

    @property
    def metric_format(self) -> str:
        return ".4f" if self.regression else ".2%"

    @property
    def threshold(self) -> str:
        """Where an output changes sides, between 0 and 1 or on logits."""
        return "0" if self.outputs == "logits" else "0.5"


def reproduction(axes: int) -> Objective:
    """Of an output that is compared with the input, which has that many axes."""
    return Objective("mean_squared_error", False, "", True, axes)


def objective(loss: str, labelled: bool, outputs: int) -> Objective:
    """How a loss is applied.

    Args:
        labelled: whether the source gives each sample a class.
        outputs: values of the network's output.
    """
    if loss == "cross_entropy":
        return Objective(loss, True, "", False)
    if labelled:
        return Objective(loss, True, ONE_OF_TWO if outputs == 1 else CLASSES, False)
    return Objective(loss, False, "", loss == "mean_squared_error")


PYTORCH_LOSSES = {
    "cross_entropy": "F.cross_entropy",
    "mean_squared_error": "F.mse_loss",
    "binary_cross_entropy": "F.binary_cross_entropy_with_logits",
}


def pytorch_metric(goal: Objective) -> str:
    """The sum over a batch, from the outputs and `target`."""
    if goal.regression:
        flat = ".flatten(1)" if goal.reproduces > 1 else ""
        return f"(outputs - target).abs(){flat}.mean(1).sum()"
    if goal.wanted == ONE_OF_TWO:
        return f"(({goal.outputs}[:, 0] > {goal.threshold}) == target).sum()"
    if goal.labelled:
        return f"({goal.outputs}.argmax(1) == target).sum()"
    return "((logits > 0) == (target > 0.5)).float().mean(1).sum()"


def pytorch_scores(goal: Objective) -> str:
    """What `predict.py` prints, from the outputs."""
    if goal.loss == "mean_squared_error":
        return "outputs"
    return "logits.softmax(1)" if goal.loss == "cross_entropy" else "logits.sigmoid()"


KERAS_LOSSES = {
    "cross_entropy": "cross_entropy",
    "mean_squared_error": "squared_error",
    "binary_cross_entropy": "binary_cross_entropy",
}


def keras_loss(goal: Objective) -> str:
    """One loss for each output of each sample; empty for cross entropy, which has no such."""
    wanted = "wanted" if goal.wanted else "y"
    return {
        "cross_entropy": "",
        "mean_squared_error": f"tf.square(outputs - {wanted})",
        "binary_cross_entropy": "tf.nn.sigmoid_cross_entropy_with_logits"
        f"({wanted}, logits)",
    }[goal.loss]


def keras_axes(goal: Objective) -> str:
    """The axes of an output of a batch."""
    if goal.reproduces > 1:
        return repr(tuple(range(1, goal.reproduces + 1)))
    return "1"


def keras_metric(goal: Objective) -> list[str]:
    """Statements that give the metric of each sample, from the outputs and `y`."""
    if goal.regression:
        return [f"error = tf.reduce_mean(tf.abs(outputs - y), axis={keras_axes(goal)})"]
    if goal.wanted == ONE_OF_TWO:
        second = f"{goal.outputs}[:, 0] > {goal.threshold}"
        return [f"correct = tf.cast(({second}) == (y > 0), tf.float32)"]
    if goal.labelled:
        return [
            f"correct = tf.cast(tf.argmax({goal.outputs}, axis=1) == y, tf.float32)"
        ]
    return [
        "right = tf.cast((logits > 0) == (y > 0.5), tf.float32)",
        "correct = tf.reduce_mean(right, axis=1)",
    ]


def keras_scores(goal: Objective) -> str:
    """What `predict.py` prints, from the outputs, as an array."""
    if goal.loss == "mean_squared_error":
        return "outputs.numpy()"
    kind = "softmax" if goal.loss == "cross_entropy" else "sigmoid"
    return f"keras.ops.{kind}(logits).numpy()"
