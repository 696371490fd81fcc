"""What changes the weights: the keys of `optimizer` enter, as classes of declared fields they leave."""

from __future__ import annotations

from typing import Any, ClassVar

from cnnspec.fields import Boolean, Declared, Field, Number, Plain, refuse


def _rate(default: float) -> Number:
    return Number(default, above=0, samples=[default, 0.5, 1], doc="Length of a step.")


def _decay(default: float, doc: str) -> Number:
    return Number(default, least=0, samples=[default, 1e-4, 0.1], doc=doc)


_L2 = "Added to each gradient, times the parameter: the L2 term of all parameters."


class Optimizer(Declared):
    """How gradients change the weights; the learning rate stays constant."""

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
    momentum = Number(
        0.0,
        least=0,
        below=1,
        samples=[0.0, 0.5, 0.9],
        doc="Share of the last step kept.",
    )
    nesterov = Boolean(False, doc="Look ahead by the momentum; needs one.")

    @property
    def moments(self) -> int:
        return 1 if self.momentum else 0


class Adam(Optimizer):
    """Steps scaled by the gradients' moments. Source: Kingma and Ba, 2015, algorithm 1."""

    kind = "adam"
    learning_rate = _rate(1e-3)
    beta1 = Number(
        0.9, least=0, below=1, samples=[0.9, 0, 0.5], doc="Decay of the first moment."
    )
    beta2 = Number(
        0.999, least=0, below=1, samples=[0.999, 0.9], doc="Decay of the second moment."
    )
    epsilon = Number(
        1e-8,
        above=0,
        samples=[1e-8, 1e-3],
        doc="Added to the root of the second moment.",
    )

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


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.kind: cls for cls in (Sgd, Adam, AdamW)}


class OneOptimizer(Field[Optimizer]):
    """A name, or a mapping of one name to its fields."""

    def accept(self, value: Plain) -> Optimizer:
        if type(value) is str:
            value = {value: None}
        if type(value) is not dict or len(value) != 1:
            refuse()
        ((name, given),) = value.items()
        cls = OPTIMIZERS.get(name)
        if cls is None or not (given is None or type(given) is dict):
            refuse()
        given = given or {}
        if not given.keys() <= cls.fields.keys():
            refuse()
        return cls({key: cls.fields[key].accept(v) for key, v in given.items()})

    def schema(self) -> dict[str, Any]:
        kinds = {
            name: {
                "type": ["object", "null"],
                "properties": {n: f.schema() for n, f in cls.fields.items()},
                "additionalProperties": False,
            }
            for name, cls in OPTIMIZERS.items()
        }
        return {
            "type": ["object", "string"],
            "if": {"type": "string"},
            "then": {"enum": list(OPTIMIZERS)},
            "else": {
                "properties": kinds,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        }

    def samples(self) -> list[Plain]:
        return ["adam", {"sgd": {"learning_rate": 0.1}}, {"adamw": None}]
