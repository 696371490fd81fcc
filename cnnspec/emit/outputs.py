"""The objectives of several outputs enter; the code that measures and reports them leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.emit.call import (
    WIDTH,
    Attribute,
    Call,
    Code,
    Dict,
    Tuple,
    one_line,
    signature,
    statement,
)
from cnnspec.emit.objective import (
    CLASSES,
    ONE_OF_TWO,
    PYTORCH_LOSSES,
    Objective,
    keras_loss,
)
from cnnspec.emit.quote import literal, number

if TYPE_CHECKING:
    from collections.abc import Mapping


class Output(NamedTuple):
    """One of several outputs.

    Args:
        weight: of its loss.
        serves: whether it is there outside of training.
    """

    goal: Objective
    weight: float
    serves: bool


Outputs = dict[str, Output]
Context = dict[str, Any]


def several_context(outputs: Outputs, target: str) -> Context:
    """What the templates say of several outputs."""
    functions = _function_names(outputs)
    names = {functions[output.goal] for output in outputs.values()}
    write = _pytorch_measure if target == "pytorch" else _keras_measure
    written = [write(name, goal) for goal, name in functions.items()]
    if len(names) > 1:
        pairs = [(f'"{n}"', functions[output.goal]) for n, output in outputs.items()]
        written.append("\n".join(statement("MEASURES = ", Dict(tuple(pairs)), 0)))
    served = [name for name, output in outputs.items() if output.serves]
    metrics = [output.goal.metric for output in outputs.values()]
    return {
        "several": True,
        "settings_of_outputs": "\n".join(_settings(outputs, served)),
        "in_training_alone": len(served) < len(outputs),
        "served": served,
        "measures": "\n\n\n".join(written),
        "measure": names.pop() if len(names) == 1 else "MEASURES[n]",
        "columns": _columns(outputs),
        "described": _described(outputs),
        "metrics": list(dict.fromkeys(metrics)),
        "percent": "accuracy" in metrics,
    }


def own_targets_context(
    outputs: Outputs, widths: dict[str, int], given: tuple[int, ...]
) -> Context:
    """What is said of arrays that each output has for itself.

    Args:
        widths: values of each output.
        given: sizes of a sample, channels last.
    """
    checks = {name: _check(output.goal) for name, output in outputs.items()}
    calls = [
        (f'"{name}"', Call(f"check_{check}", (literal(name), f'y["{name}"]')))
        for name, check in checks.items()
    ]
    counts = [(f'"{name}"', str(width)) for name, width in widths.items()]
    comment = "# classes, or numbers, of each output"
    kinds = set(checks.values()) | {"numbers" for c in checks.values() if c != "labels"}
    return {
        "own_targets": True,
        "checks": kinds,
        "checked": "\n".join(statement("checked = ", Dict(tuple(calls)), 8)),
        "widths": "\n".join(statement("OUTPUTS = ", Dict(tuple(counts)), 0, comment)),
        "target_signature": "\n".join(_signature(checks, widths, given)),
    }


def _signature(
    checks: dict[str, str], widths: dict[str, int], given: tuple[int, ...]
) -> list[str]:
    """Of the graph functions: types of samples and of what outputs are compared with."""
    specs = []
    for name, check in checks.items():
        sizes = () if check == "labels" else (widths[name],)
        kind = "tf.int64" if check == "labels" else "tf.float32"
        specs.append((f'"{name}"', _tensor(sizes, kind)))
    parts = (_tensor(given, "tf.float32"), Dict(tuple(specs)))
    return statement("signature = ", Tuple(parts), 4)


def _tensor(sizes: tuple[int, ...], kind: str) -> Call:
    axes = Tuple(("None", "None", *map(str, sizes)))
    return Call("tf.TensorSpec", (axes, kind))


def _check(goal: Objective) -> str:
    """The kind of numbers that an array holds."""
    if goal.labelled:
        return "labels"
    return "probabilities" if goal.loss == "binary_cross_entropy" else "numbers"


def single_context(goal: Objective) -> Context:
    """The same of one output."""
    columns = [
        f"{part}_{what}" for part in ("train", "val") for what in ("loss", goal.metric)
    ]
    return {
        "several": False,
        "columns": columns,
        "percent": goal.metric == "accuracy",
    }


def _settings(outputs: Outputs, served: list[str]) -> list[str]:
    weights = [(f'"{n}"', number(output.weight)) for n, output in outputs.items()]
    lines = statement("WEIGHTS = ", Dict(tuple(weights)), 0, "# of the outputs' losses")
    if len(served) < len(outputs):
        names = Tuple(tuple(map(literal, served)))
        comment = "# the other outputs are there in training alone"
        lines += statement("SERVED = ", names, 0, comment)
    return lines


def _function_names(outputs: Outputs) -> Mapping[Objective, str]:
    """A function for each objective: called by its loss, and by more where two share it."""
    goals = dict.fromkeys(output.goal for output in outputs.values())
    found = {}
    for goal in goals:
        shared = any(other.loss == goal.loss for other in goals if other != goal)
        suffix = {CLASSES: "_of_classes", ONE_OF_TWO: "_of_two"}.get(goal.wanted, "")
        found[goal] = goal.loss + (suffix if shared else "")
    return found


def _columns(outputs: Outputs) -> list[str]:
    """Of metrics.csv, but for the epoch and its time."""
    found = []
    for part in ("train", "val"):
        found.append(f"{part}_loss")
        for name, output in outputs.items():
            if part == "train" or output.serves:
                found.append(f"{part}_{name}_loss")
                found.append(f"{part}_{name}_{output.goal.metric}")
    return found


def _described(outputs: Outputs) -> list[str]:
    """The lines of an f-string: the whole loss, and the metric of each output."""
    lines = []
    for part, words in (("train", "loss"), ("val", "validation loss")):
        lines.append(f'f"  {words} {{row.{part}_loss:.4f}}"')
        for name, output in outputs.items():
            if part == "val" and not output.serves:
                continue
            said = f"  {name} {output.goal.metric.replace('_', ' ')} "
            value = f"row.{part}_{name}_{output.goal.metric}"
            code = f"{{{value}:{output.goal.metric_format}}}"
            line = f'f"{said}{code}"'
            short = len(line) + 8 <= WIDTH
            lines += [line] if short else [f'"{said}"', f'f"{code}"']
    return lines


def _pytorch_measure(name: str, goal: Objective) -> str:
    values = goal.outputs
    lines = [
        *signature(
            name, [f"{values}: torch.Tensor", "target: torch.Tensor"], 0, "torch.Tensor"
        ),
        f'    """Loss and {goal.metric.replace("_", " ")} of a batch."""',
    ]
    if goal.wanted == CLASSES:
        lines.append("    wanted = F.one_hot(target, CLASSES).float()")
    elif goal.wanted == ONE_OF_TWO:
        lines.append("    wanted = target[:, None].float()")
    if goal.regression:
        metric = "(outputs - target).abs().mean()"
    elif goal.wanted == ONE_OF_TWO:
        metric = f"(({values}[:, 0] > {goal.threshold}) == target).float().mean()"
    elif goal.labelled:
        metric = f"({values}.argmax(1) == target).float().mean()"
    else:
        metric = "((logits > 0) == (target > 0.5)).float().mean()"
    short = "error" if goal.regression else "accuracy"
    wanted = "wanted" if goal.wanted else "target"
    loss = f"{PYTORCH_LOSSES[goal.loss]}({values}, {wanted})"
    return "\n".join(
        [
            *lines,
            f"    {short} = {metric}",
            f"    return torch.stack(({loss}, {short}))",
        ]
    )


def _keras_measure(name: str, goal: Objective) -> str:
    values = goal.outputs
    lines = [
        *signature(name, ["y: tf.Tensor", f"{values}: tf.Tensor"], 0, "tf.Tensor"),
        f'    """Loss and {goal.metric.replace("_", " ")} of a batch."""',
    ]
    if goal.wanted == CLASSES:
        lines.append("    wanted = tf.one_hot(y, CLASSES)")
    elif goal.wanted == ONE_OF_TWO:
        lines.append("    wanted = tf.cast(y[:, tf.newaxis], tf.float32)")
    losses = keras_loss(goal)
    if not losses:
        losses = "tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)"
    lines.append(f"    losses = {losses}")
    if goal.regression:
        short, metric = "errors", "tf.abs(outputs - y)"
    elif goal.wanted == ONE_OF_TWO:
        short, metric = "right", f"({values}[:, 0] > {goal.threshold}) == (y > 0)"
    elif goal.labelled:
        short, metric = "right", f"tf.argmax({values}, axis=1) == y"
    else:
        short, metric = "right", "(logits > 0) == (y > 0.5)"
    if not goal.regression:
        metric = f"tf.cast({metric}, tf.float32)"
    return "\n".join(
        [
            *lines,
            f"    {short} = {metric}",
            f"    return tf.stack((tf.reduce_mean(losses), tf.reduce_mean({short})))",
        ]
    )


def scores_lines(outputs: Outputs, target: str) -> list[str]:
    """In `predict.py`, the scores of the outputs that serve, from `found`."""
    served = {name: output for name, output in outputs.items() if output.serves}
    if len({output.goal for output in served.values()}) == 1:
        goal = next(iter(served.values())).goal
        scores = one_line(_scores("rows", goal, target))
        return [f"    scores = {{name: {scores} for name, rows in found.items()}}"]
    pairs = [
        (f'"{name}"', _scores(f'found["{name}"]', output.goal, target))
        for name, output in served.items()
    ]
    return statement("scores = ", Dict(tuple(pairs)), 4)


def _scores(found: str, goal: Objective, target: str) -> Code:
    kind = "softmax" if goal.loss == "cross_entropy" else "sigmoid"
    if goal.loss == "mean_squared_error":
        code = found if target == "pytorch" else Call(f"{found}.numpy")
    elif target == "pytorch":
        code = Call(f"{found}.{kind}", ("1",) if kind == "softmax" else ())
    else:
        code = Call(Attribute(Call(f"keras.ops.{kind}", (found,)), "numpy"))
    if goal.wanted != ONE_OF_TWO:
        return code
    join = "torch.cat" if target == "pytorch" else "np.concatenate"
    return Call(join, (Tuple((f"1 - {one_line(code)}", code)), "1"))
