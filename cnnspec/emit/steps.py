"""What changes the weights enters; its constants and its construction in both targets leave."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.emit.call import Argument, Call, Keyword, Tuple, statement
from cnnspec.emit.quote import literal, number
from cnnspec.emit.rates import rate_settings, rates_of
from cnnspec.optimizers import AdamW, Optimizer, Sgd
from cnnspec.training import Train

# The class of an optimizer, in both frameworks.
CLASSES = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
}
# What their arguments are called; None where it is said in another way.
PYTORCH = {
    "learning_rate": "lr",
    "beta1": "betas",  # both in one
    "beta2": None,
    "decay": "alpha",
    "epsilon": "eps",
}
KERAS = {"beta1": "beta_1", "beta2": "beta_2", "decay": "rho", "weight_decay": None}
COMMENTS = {"decay": "of the mean square of the gradients"}


class Steps(NamedTuple):
    """What a training program says of its steps.

    Args:
        settings: assignments of constants, each a line.
        make_optimizer: the statement that makes it, in the function of this name.
        clip: whether gradients are held to `CLIP_NORM`.
        l2: whether they get `WEIGHT_DECAY * w` by the program's own hand.
        update: the template of Keras' optimizer that is derived from its own; empty where
            none is.
        optimizer: its class.
        ops: whether it needs `keras.ops`.
        beta1, beta2, momentum, nesterov: whether they are other than 0.
    """

    settings: list[str]
    make_optimizer: str
    clip: bool
    l2: bool = False
    update: str = ""
    optimizer: str = ""
    ops: bool = False
    beta1: bool = False
    beta2: bool = False
    momentum: bool = False
    nesterov: bool = False


def _constants(optimizer: Optimizer) -> list[str]:
    """The fields that are constants of the program, weight decay last."""
    found = [
        name
        for name, value in optimizer.values.items()
        if type(value) is not bool and (value or name.startswith("beta"))
    ]
    return sorted(found, key=lambda name: name == "weight_decay")


def _settings(train: Train) -> list[str]:
    optimizer = train.optimizer
    comments = {**COMMENTS, "weight_decay": "L2, in the gradient of every parameter"}
    if isinstance(optimizer, AdamW):
        comments["weight_decay"] = "of every parameter, times the learning rate"
    lines = []
    for name in _constants(optimizer):
        comment = f"  # {comments[name]}" if name in comments else ""
        lines.append(f"{name.upper()} = {number(optimizer.values[name])}{comment}")
    if train.clip_norm:
        comment = "of the gradients of all parameters together, at most"
        lines.append(f"CLIP_NORM = {number(train.clip_norm)}  # {comment}")
    return lines + rate_settings(train)


def pytorch_steps(train: Train) -> Steps:
    optimizer = train.optimizer
    args: list[Argument] = ["model.parameters()"]
    for name in _constants(optimizer):
        keyword = PYTORCH.get(name, name)
        both = Tuple(("BETA1", "BETA2"))
        if keyword:
            args.append(Keyword(keyword, both if name == "beta1" else name.upper()))
        if name == "momentum" and optimizer.values.get("nesterov"):
            args.append(Keyword("nesterov", "True"))
    if isinstance(optimizer, AdamW) and not optimizer.weight_decay:
        args.append(Keyword("weight_decay", "0"))  # PyTorch's default is 0.01
    made = Call(f"torch.optim.{CLASSES[optimizer.kind]}", tuple(args))
    lines = statement("return ", made, 4)
    return Steps(_settings(train), "\n".join(lines), bool(train.clip_norm))


def keras_steps(train: Train) -> Steps:
    """Keras has epsilon at another place, and no L2 term: both are written out.

    So is momentum under a changing learning rate, which Keras takes into the velocity.
    """
    optimizer, values = train.optimizer, train.optimizer.values
    decoupled = isinstance(optimizer, AdamW)
    args: list[Argument] = []
    for name in _constants(optimizer):
        keyword = KERAS.get(name, name)
        if keyword:
            args.append(Keyword(keyword, name.upper()))
    if isinstance(optimizer, Sgd) and optimizer.momentum:
        args.append(Keyword("nesterov", literal(optimizer.nesterov)))
    if decoupled:
        decay = "WEIGHT_DECAY" if optimizer.weight_decay else "0"
        args.append(Keyword("weight_decay", decay))
    if optimizer.kind == "adagrad":
        args.append(Keyword("initial_accumulator_value", "0.0"))
    update = "adam" if decoupled else optimizer.kind
    if isinstance(optimizer, Sgd) and not (optimizer.momentum and rates_of(train)):
        update = ""
    name = CLASSES[optimizer.kind]
    made = Call(name if update else f"keras.optimizers.{name}", tuple(args))
    lines = statement("optimizer = ", made, 4)
    return Steps(
        _settings(train),
        "\n".join(lines),
        bool(train.clip_norm),
        l2=bool(optimizer.weight_decay) and not decoupled,
        update=update,
        optimizer=name,
        ops=update not in ("", "sgd"),
        beta1=bool(values.get("beta1")),
        beta2=bool(values.get("beta2")),
        momentum=bool(values.get("momentum")),
        nesterov=bool(values.get("nesterov")),
    )
