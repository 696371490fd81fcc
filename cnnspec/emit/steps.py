"""An optimizer's settings enter; its constants and its construction in both targets leave."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.emit.call import Argument, Call, Keyword, Tuple, statement
from cnnspec.emit.quote import literal
from cnnspec.optimizers import Adam, AdamW, Optimizer, Sgd


class Steps(NamedTuple):
    """What a training program says of its optimizer.

    Args:
        settings: assignments of constants, each a line.
        make_optimizer: the statement that makes it, in the function of this name.
        l2: whether gradients get `WEIGHT_DECAY * w` by the program's own hand.
        adam: the class to derive from Keras' own; empty where none is.
        beta1, beta2: whether they are other than 0.
    """

    settings: list[str]
    make_optimizer: str
    l2: bool
    adam: str = ""
    beta1: bool = False
    beta2: bool = False


def number(value: float) -> str:
    """A number as code: `1e-4` where that is shorter than `0.0001`."""
    plain = literal(float(value))
    for digits in range(17):  # the fewest that give the same number
        mantissa, _, exponent = f"{float(value):.{digits}e}".partition("e")
        if float(f"{mantissa}e{exponent}") == float(value):
            break
    short = f"{mantissa}e{int(exponent)}"
    return short if len(short) < len(plain) else plain


def _settings(optimizer: Optimizer) -> list[str]:
    lines = [f"LEARNING_RATE = {number(optimizer.learning_rate)}"]
    if isinstance(optimizer, Sgd) and optimizer.momentum:
        lines.append(f"MOMENTUM = {number(optimizer.momentum)}")
    if isinstance(optimizer, Adam):
        lines.append(f"BETA1 = {number(optimizer.beta1)}")
        lines.append(f"BETA2 = {number(optimizer.beta2)}")
        lines.append(f"EPSILON = {number(optimizer.epsilon)}")
    if optimizer.weight_decay:
        how = "L2, in the gradient of every parameter"
        if isinstance(optimizer, AdamW):
            how = "of every parameter, times the learning rate"
        lines.append(f"WEIGHT_DECAY = {number(optimizer.weight_decay)}  # {how}")
    return lines


def pytorch_steps(optimizer: Optimizer) -> Steps:
    args: list[Argument] = ["model.parameters()", Keyword("lr", "LEARNING_RATE")]
    if isinstance(optimizer, Adam):
        name = "AdamW" if isinstance(optimizer, AdamW) else "Adam"
        args.append(Keyword("betas", Tuple(("BETA1", "BETA2"))))
        args.append(Keyword("eps", "EPSILON"))
    else:
        assert isinstance(optimizer, Sgd)
        name = "SGD"
        if optimizer.momentum:
            args.append(Keyword("momentum", "MOMENTUM"))
        if optimizer.nesterov:
            args.append(Keyword("nesterov", "True"))
    if optimizer.weight_decay:
        args.append(Keyword("weight_decay", "WEIGHT_DECAY"))
    elif isinstance(optimizer, AdamW):
        args.append(Keyword("weight_decay", "0"))  # PyTorch's default is 0.01
    made = Call(f"torch.optim.{name}", tuple(args))
    lines = statement("return ", made, 4)
    return Steps(_settings(optimizer), "\n".join(lines), l2=False)


def keras_steps(optimizer: Optimizer) -> Steps:
    """Keras adds Adam's epsilon elsewhere, and knows no L2 term: both are written out."""
    args: list[Argument] = [Keyword("learning_rate", "LEARNING_RATE")]
    decoupled = isinstance(optimizer, AdamW)
    if isinstance(optimizer, Adam):
        name = own = "AdamW" if decoupled else "Adam"
        args.append(Keyword("beta_1", "BETA1"))
        args.append(Keyword("beta_2", "BETA2"))
        args.append(Keyword("epsilon", "EPSILON"))
        if decoupled:
            decay = "WEIGHT_DECAY" if optimizer.weight_decay else "0"
            args.append(Keyword("weight_decay", decay))
    else:
        assert isinstance(optimizer, Sgd)
        name, own = "keras.optimizers.SGD", ""
        if optimizer.momentum:
            args.append(Keyword("momentum", "MOMENTUM"))
            args.append(Keyword("nesterov", literal(optimizer.nesterov)))
    lines = statement("optimizer = ", Call(name, tuple(args)), 4)
    return Steps(
        _settings(optimizer),
        "\n".join(lines),
        l2=bool(optimizer.weight_decay) and not decoupled,
        adam=own,
        beta1=bool(optimizer.values.get("beta1")),
        beta2=bool(optimizer.values.get("beta2")),
    )
