"""What changes the weights: the keys of `optimizer` enter, as classes of declared fields they leave."""

from __future__ import annotations

from typing import ClassVar

from cnnspec.fields import Boolean, Declared, Number


def _rate(default: float) -> Number:
    return Number(
        default, above=0, samples=[default, 0.02, 0.2], doc="Length of a step."
    )


def _decay(default: float, doc: str) -> Number:
    return Number(default, least=0, samples=[default, 1e-4, 0.1], doc=doc)


def _momentum() -> Number:
    doc = "Share of the last step kept."
    return Number(0.0, least=0, below=1, samples=[0.0, 0.5, 0.9], doc=doc)


def _epsilon(default: float) -> Number:
    doc = "Added to the root that gradients are divided by."
    return Number(default, above=0, samples=[default, 1e-3], doc=doc)


_L2 = "Added to each gradient, times the parameter: the L2 term of all parameters."


class Optimizer(Declared):
    """How gradients change the weights."""

    kind: ClassVar[str] = ""
    learning_rate = _rate(0.01)
    weight_decay = _decay(0.0, _L2)

    @property
    def moments(self) -> int:
        """How many numbers it remembers for each one that it changes."""
        raise NotImplementedError


class Sgd(Optimizer):
    """Gradient descent. Source: PyTorch's SGD, dampening 0."""

    kind = "sgd"
    momentum = _momentum()
    nesterov = Boolean(False, doc="Look ahead by the momentum; needs one.")

    @property
    def moments(self) -> int:
        return 1 if self.momentum else 0


class Adam(Optimizer):
    """Steps scaled by the gradients' moments. Source: Kingma and Ba, 2015, algorithm 1."""

    kind = "adam"
    learning_rate = _rate(1e-3)
    beta1 = Number(
        0.9, least=0, below=1, samples=[0.9, 0.5, 0], doc="Decay of the first moment."
    )
    beta2 = Number(
        0.999, least=0, below=1, samples=[0.999, 0.9], doc="Decay of the second moment."
    )
    epsilon = _epsilon(1e-8)

    @property
    def moments(self) -> int:
        return 2


class AdamW(Adam):
    """Adam with decay beside the gradients. Source: Loshchilov and Hutter, 2019."""

    kind = "adamw"
    weight_decay = _decay(
        0.01,
        "Share of each parameter, times the learning rate, that a step takes away.",
    )


class RmsProp(Optimizer):
    """Gradients divided by the root of their mean square.

    Source: Hinton, "Neural networks for machine learning", lecture 6e, 2012; epsilon and
    momentum as in PyTorch's RMSprop.
    """

    kind = "rmsprop"
    learning_rate = _rate(1e-3)
    decay = Number(
        0.9, least=0, below=1, samples=[0.9, 0.5], doc="Decay of the mean square."
    )
    epsilon = _epsilon(1e-8)
    momentum = _momentum()

    @property
    def moments(self) -> int:
        return 2 if self.momentum else 1


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares.

    Source: Duchi, Hazan and Singer, 2011; epsilon as in PyTorch's Adagrad.
    """

    kind = "adagrad"
    epsilon = _epsilon(1e-10)

    @property
    def moments(self) -> int:
        return 1


OPTIMIZERS: dict[str, type[Optimizer]] = {
    cls.kind: cls for cls in (Sgd, Adam, AdamW, RmsProp, Adagrad)
}
