"""A checked spec and a target enter; the program's files leave as texts by name."""

from __future__ import annotations

import ast
import builtins
from textwrap import fill
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cnnspec.costs import total
from cnnspec.datasets import Arrays
from cnnspec.diagnostics import Bag
from cnnspec.emit.build import model_text
from cnnspec.emit.call import WIDTH, Attribute, Call, signature, statement
from cnnspec.emit.files import describe_files
from cnnspec.emit.objective import (
    KERAS_LOSSES,
    PYTORCH_LOSSES,
    Objective,
    keras_axes,
    keras_loss,
    keras_metric,
    keras_scores,
    objective,
    pytorch_metric,
    pytorch_scores,
    reproduction,
)
from cnnspec.emit.outputs import (
    Output,
    Outputs,
    own_targets_context,
    scores_lines,
    several_context,
    single_context,
)
from cnnspec.emit.quote import docstring
from cnnspec.emit.rates import rates_of
from cnnspec.emit.readme import model_readme, newer, program_readme
from cnnspec.emit.samples import (
    channels_last,
    describe_feeding,
    describe_samples,
    normalize_of,
    source_words,
)
from cnnspec.emit.setting import spec_text
from cnnspec.emit.steps import keras_steps, pytorch_steps
from cnnspec.names import camel
from cnnspec.resources import resource
from cnnspec.training import (
    learns_input,
    loss_weights,
    losses_of,
    main_output,
    only_input,
    output_shapes,
    read_training,
    why_not_trained,
)

if TYPE_CHECKING:
    from cnnspec.compile import Checked
    from cnnspec.datasets import DataSource
    from cnnspec.graph import Graph, Node
    from cnnspec.shapes import Shape
    from cnnspec.spec import Spec
    from cnnspec.training import Train

Context = dict[str, Any]

# What a model is imported as where its own name is taken.
ALIASES = {"pytorch": "Network", "keras": "network"}


def program_files(
    checked: Checked, target: str, overrides: dict[str, Any]
) -> dict[str, str]:
    """The files of a program, by name.

    A network that can't be trained yet gets its model, and no training.

    Args:
        checked: a spec without errors.
        overrides: values of `--set`, which the program's own spec.yaml is given.

    Raises: Inexpressible (CS5nn).
    """
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    data, train = read_training(spec, graph, Bag())
    assert data is not None and train is not None
    totals = total(graph)
    assert totals is not None
    reason = why_not_trained(spec, graph, train)
    environment = _environment()
    files = {"spec.yaml": spec_text(checked.source.text, spec, overrides)}
    if reason:
        loss = train.loss if spec.train is not None else None
        files["model.py"] = model_text(checked, target, loss)
        readme = model_readme(target, totals.costs.params, reason)
        context: Context = {"name": spec.name, **readme._asdict()}
    else:
        files["model.py"] = model_text(checked, target, losses_of(train, graph))
        context = _context(checked, target, data, train, totals.costs.params)
        files |= _trained_program(environment, target, context)
    kinds = {type(node.layer) for node in graph.layers if node.layer is not None}
    context["requirements"] = newer(context["requirements"], kinds)
    for name in ("README.md", "requirements.txt"):
        files[name] = environment.get_template(f"{name}.j2").render(context)
    return dict(sorted(files.items()))


def _trained_program(
    environment: Environment, target: str, context: Context
) -> dict[str, str]:
    """data.py, train.py and predict.py; a model whose name they use gets another in them."""
    data = "arrays_of_outputs" if context["own_targets"] else context["template"]
    predict = "reproduce" if context["reproduces"] else "predict"
    templates = {
        "data.py": f"data/{data}.py.j2",
        "train.py": f"{target}/train.py.j2",
        "predict.py": f"{target}/{predict}.py.j2",
    }
    name = context["model_name"]
    for model in (name, ALIASES[target]):
        names = {
            "model": model,
            "model_import": name if model == name else f"{name} as {model}",
            "make_model": _make_model(model),
            "load_model_head": _load_model_head(model),
        }
        files = {
            file: environment.get_template(template).render({**context, **names})
            for file, template in templates.items()
        }
        if not any(_binds(files[file], model) for file in ("train.py", "predict.py")):
            break
    return files


def _make_model(model: str) -> str:
    made = Call(Attribute(Call(model), "to"), ("device",))
    return "\n".join(statement("model = ", made, 4))


def _load_model_head(model: str) -> str:
    returns = f"tuple[{model}, list[str]]"
    return "\n".join(signature("load_model", ["path: Path"], 0, returns))


def _binds(text: str, name: str) -> bool:
    """Whether a program gives a name another meaning than the model's, anywhere."""
    if hasattr(builtins, name):
        return True
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.arg):
            found = [node.arg]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found = [node.id]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            ours = isinstance(node, ast.ImportFrom) and node.module == "model"
            found = [] if ours else [a.asname or a.name for a in node.names]
        else:
            continue
        if name in found:
            return True
    return False


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(resource("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Python that is written; values enter as literals
    )


def _context(
    checked: Checked, target: str, data: DataSource, train: Train, params: int
) -> Context:
    """Everything that the templates of a target say."""
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    given, made = only_input(graph), main_output(graph)
    assert given is not None and made is not None
    outputs = outputs_of(graph, data, train)
    goal = next(output.goal for output in outputs.values() if output.serves)
    goals = [output.goal for output in outputs.values()]
    samples = describe_samples(data, given, _values(graph), goals)
    feeding = describe_feeding(data, given, target)
    make_steps = pytorch_steps if target == "pytorch" else keras_steps
    several = len(outputs) > 1
    readme = program_readme(
        target, spec.name, params, given, made.elements, data, samples, goal, several
    )
    per_target = _pytorch if target == "pytorch" else _keras
    about_outputs = single_context(goal)
    if several:
        about_outputs = several_context(outputs, target)
    own = several and isinstance(data, Arrays) and not goal.reproduces
    if own:
        widths = {n: made.elements for n, made in output_shapes(graph).items() if made}
        about_outputs |= own_targets_context(outputs, widths, channels_last(given))
    y_type = "dict[str, tf.Tensor]" if own else "tf.Tensor"
    return {
        "name": spec.name,
        "epochs": train.epochs,
        "batch_size": data.batch_size,
        "seed": train.seed,
        "number_of_outputs": made.elements,
        "frozen": any(n.params > n.trainable_params for n in graph.layers),
        "batch_norm": any(_is_trained_norm(node) for node in graph.layers),
        "train_docstring": "\n".join(
            docstring(
                f"Trains {spec.name}; writes weights, metrics.csv and curves.png into a "
                "folder.",
                0,
            )
        ),
        "predict_docstring": "\n".join(
            docstring(_predicts(samples.images, samples.classes, goal), 0)
        ),
        "data_names": _data_names(data, goals),
        "source_words": _source_words(data, spec),
        **_goal_context(goal),
        **_files_context(samples.images),
        **samples._asdict(),
        **feeding._asdict(),
        **describe_files(data, given, target)._asdict(),
        **make_steps(train)._asdict(),
        "learning_rate": rates_of(train),
        **readme._asdict(),
        "steps_doc": _steps_doc(samples.shape, goal, several),
        **per_target(spec, goal),
        "own_targets": False,
        **about_outputs,
        "score_lines": scores_lines(outputs, target),
        "serving": sum(output.serves for output in outputs.values()),
        "counted": "x" if goal.reproduces else "y",
        "main": next(name for name, output in outputs.items() if output.serves),
        "moved": _moved(given) if target == "pytorch" else "",
        "labelled": goal.labelled or (goal.reproduces > 0 and not samples.arrays),
        "all_labelled": all(goal.labelled for goal in goals),
        "y_type": y_type,
        "parameters": "x: tf.Tensor" + ("" if goal.reproduces else f", y: {y_type}"),
        "reproduce_names": _reproduce_names(samples.images, data),
    }


def outputs_of(graph: Graph, data: DataSource, train: Train) -> Outputs:
    """What each output is compared with and how, the graph's in their order."""
    losses, weights = losses_of(train, graph), loss_weights(graph)
    given = only_input(graph)
    assert given is not None
    labelled = any(map(data.labels_for, losses.values()))
    own = isinstance(data, Arrays)  # which may have labels for each output
    found = {}
    for name, made in output_shapes(graph).items():
        assert made is not None
        by_class = data.labels_for(losses[name]) if own else labelled
        goal = objective(losses[name], by_class, made.elements)
        if learns_input(train):
            goal = reproduction(len(given.sizes))
        found[name] = Output(goal, weights[name], graph.serves(name))
    return found


def _values(graph: Graph) -> int:
    """Of the widest output."""
    return max(made.elements for made in output_shapes(graph).values() if made)


def _moved(given: Shape) -> str:
    """The call that puts a batch's channels last, as samples have them."""
    if not given.rank:
        return ""
    axes = [0, *range(2, given.rank + 2), 1]
    return f".permute({', '.join(map(str, axes))})"


def _is_trained_norm(node: Node) -> bool:
    return node.layer is not None and node.layer.op == "batch_norm" and node.trainable


def _predicts(images: bool, classes: int, goal: Objective) -> str:
    if goal.reproduces:
        thing = "image" if images else "sample"
        return f"Writes what the network makes of each {thing}, by the weights train.py saved."
    what = "the five likeliest classes" if classes >= 5 else "the likeliest classes"
    if goal.regression:
        what = "the outputs"
    of = "of each image" if images else "of each sample"
    return f"Prints {what} {of}, by the weights train.py saved."


def _data_names(data: DataSource, goals: list[Objective]) -> str:
    """What train.py imports from data.py."""
    names = ["CLASSES"] if any(goal.wanted == "classes" for goal in goals) else []
    normalized = normalize_of(data) is not None
    names += ["MEAN"] if normalized else []
    names += ["PATH"] if "path" in data.values else []
    names += ["SEED"]
    names += ["SOURCE"] if source_words(data) else []
    names += ["STD"] if normalized else []
    return ", ".join([*names, "Dataset", "batches", "load", "shuffle"])


def _reproduce_names(images: bool, data: DataSource) -> str:
    """What the `predict.py` of an autoencoder imports from data.py."""
    constants = ["MEAN", "STD"] if normalize_of(data) is not None else []
    own = ["ImageError", "read_image"] if images else ["ArrayError", "read_array"]
    return ", ".join([*constants, *own])


def _source_words(data: DataSource, spec: Spec) -> str:
    """What train.py says of its data; empty where it names their path."""
    default = " (the spec names none)" if spec.data is None else ""
    return source_words(data) + default


def _goal_context(goal: Objective) -> Context:
    return {
        "labelled": goal.labelled,
        "wanted": goal.wanted,
        "regression": goal.regression,
        "reproduces": goal.reproduces,
        "outputs": goal.outputs,
        "metric": goal.metric,
        "metric_words": goal.metric.replace("_", " "),
        "metric_sum": goal.metric_sum,
        "metric_format": goal.metric_format,
        "score_format": "9.4f" if goal.outputs == "outputs" else "9.2%",
        "names": "classes" if goal.labelled else "outputs",
    }


def _files_context(images: bool) -> Context:
    return {
        "files": "images" if images else "samples",
        "stack": "images" if images else "samples",
        "metavar": "IMAGE" if images else "FILE",
        "reader": "read_image" if images else "read_array",
    }


def _pytorch(spec: Spec, goal: Objective) -> Context:
    return {
        "model_name": camel(spec.name),
        "loss_function": PYTORCH_LOSSES[goal.loss],
        "metric_code": pytorch_metric(goal),
        "scores": pytorch_scores(goal),
    }


def _keras(spec: Spec, goal: Objective) -> Context:
    return {
        "model_name": spec.name,
        "loss_name": KERAS_LOSSES[goal.loss],
        "losses": keras_loss(goal),
        "metric_lines": keras_metric(goal),
        "loss_axes": keras_axes(goal),
        "scores": keras_scores(goal),
    }


def _steps_doc(shape: str, goal: Objective, several: bool) -> str:
    y = "y (steps, batch)" if goal.labelled else "y (steps, batch, outputs)"
    what = "errors" if goal.regression else "right answers"
    sums = f"the sums of the loss and of the {what}"
    if several:
        sums = f"sums of the loss and {goal.metric.replace('_', ' ')} of each output"
    maps = f"x (steps, batch, {shape}) and {y}"
    if goal.reproduces:
        maps = f"x (steps, batch, {shape})"
    return fill(
        f"Each maps {maps} to {sums}. Small models need several steps in a call to be fast.",
        WIDTH,
        initial_indent="    ",
        subsequent_indent="    ",
    )
