"""The sections `data` and `train`: what they take, default to and refuse; their reference."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cnnspec.compile import check_source
from cnnspec.datasets import SOURCES, AnySource, DataSource, Pooled
from cnnspec.diagnostics import Bag
from cnnspec.fields import Declared, Refused
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.schedules import SCHEDULES
from cnnspec.source import SourceFile
from cnnspec.training import Train, Training, losses_of, read_training
from tests.programs import ROOT, command, spec_file

GUIDE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
HEAD = (
    "cnnspec: 1\nname: example\ninput: {channels: 3, height: 32, width: 32}\n"
    "layers:\n  - flatten\n  - dense: {units: 10}\n"
)


def found(text: str) -> list[tuple[str, str]]:
    checked = check_source(SourceFile("spec.yaml", text), {})
    return [(d.code, d.message) for d in checked.diagnostics]


def read(text: str) -> Training:
    checked = check_source(SourceFile("spec.yaml", text), {})
    assert checked.diagnostics == []
    assert checked.spec is not None and checked.graph is not None
    return read_training(checked.spec, checked.graph, Bag())


@pytest.mark.parametrize(
    ("layers", "source", "loss"),
    [
        ("  - flatten\n  - dense: {units: 10}\n", "digits", "cross_entropy"),
        ("  - flatten\n  - dense: {units: 3}\n", "synthetic", "cross_entropy"),
        ("  - flatten\n  - dense: {units: 1}\n", "synthetic", "binary_cross_entropy"),
        ("  - relu\n", "synthetic", "cross_entropy"),
    ],
)
def test_a_spec_without_the_sections_has_sensible_ones(
    layers: str, source: str, loss: str
) -> None:
    text = HEAD.partition("  - flatten")[0] + layers
    checked = check_source(SourceFile("spec.yaml", text), {})
    assert checked.spec is not None and checked.graph is not None
    data, train = read_training(checked.spec, checked.graph, Bag())
    assert data is not None and train is not None
    assert data.values["source"] == source
    assert losses_of(train, checked.graph) == {"output": loss}
    assert type(train.optimizer) is OPTIMIZERS["adam"]


def test_values_may_be_expressions_and_a_bare_name_an_optimizer() -> None:
    data, train = read(
        HEAD + "vars: {size: 8, kind: digits, rate: 0.5}\n"
        "data: {source: $kind, batch_size: $(size * 4)}\n"
        "train: {optimizer: {sgd: {learning_rate: $(rate / 5)}}}\n"
    )
    assert data is not None and train is not None
    assert type(data) is SOURCES["digits"]
    assert data.batch_size == 32
    assert train.optimizer.learning_rate == 0.1
    (_, bare) = read(HEAD + "train: {optimizer: adamw}\n")
    assert bare is not None
    assert type(bare.optimizer) is OPTIMIZERS["adamw"]


MISTAKES = {
    "data: {source: digit}": ("CS107", "`source` of `data` must be one of"),
    "data: {sorce: digits}": ("CS106", "unknown field `sorce` of `data`"),
    "data: {batch_size: 3}": ("CS109", "`data` needs `source`"),
    "data: {source: image_folder}": ("CS109", "`data` needs `path`"),
    "data: {source: digits, path: a}": ("CS106", "unknown field `path` of `data`"),
    "data: {source: synthetic, normalize: {mean: 0, std: 1}}": ("CS106", "`normalize`"),
    "data: {source: digits, batch_size: 0}": ("CS107", "`batch_size` of `data` must"),
    "data: {source: digits, validation_split: 1}": ("CS107", "`validation_split`"),
    "data: {source: digits, normalize: 3}": ("CS107", "`normalize` of `data` must"),
    "data: {source: digits, normalize: {mean: 0, std: 0}}": ("CS107", "`std` of"),
    "data: {source: digits, normalize: {mean: 0}}": ("CS109", "needs `std`"),
    "data: {source: digits, normalize: {mean: [], std: 1}}": ("CS107", "`mean` of"),
    "data: {source: digits, normalize: {mean: [1], std: 1}}": (
        "CS513",
        "has 1 number,",
    ),
    "data: {source: x_or_o}": ("CS512", "`x_or_o` has 2 classes, the network's output"),
    "data: {source: cifar100}": ("CS512", "`cifar100` has 100 classes"),
    "data: {source: csv, path: a, classes: [b, c]}": ("CS512", "`csv` has 2 classes"),
    "data: {source: csv, path: a, classes: [b]}": ("CS107", "list of 2 texts or more"),
    "data: {source: csv, path: a, classes: [b, b]}": ("CS107", "`classes` of `data`"),
    "data: {source: csv, path: a, classes: ['', b]}": ("CS107", "`classes` of `data`"),
    'data: {source: csv, path: a, classes: [" a ", b]}': ("CS107", "`classes` of `da"),
    "data: {source: mnist, download: 1}": ("CS107", "`download` of `data` must be"),
    "data: {source: x_or_o, validation_split: 0.2}": ("CS106", "`validation_split`"),
    "data: {source: mnist, normalize: {mean: [1], std: 1}}": ("CS513", "has 1 number,"),
    "data: 3": ("CS103", "`data` takes a mapping"),
    "train: {epochs: 1.5}": ("CS107", "`epochs` of `train` must be an integer"),
    "train: {loss: mse}": ("CS107", "`loss` of `train` must be one of"),
    "train: {loss: {}}": ("CS107", "`loss` of `train` must"),
    "train: {loss: {output: mse}}": ("CS107", "`output` of `loss` must be one of"),
    "train: {loss: [cross_entropy]}": ("CS107", "`loss` of `train` must be"),
    "train: {loss: {outputs: cross_entropy}}": ("CS516", "`loss` has `outputs`"),
    "train: {target: labels, loss: {output: mean_squared_error, a: cross_entropy}}": (
        "CS516",
        "`loss` has `a`, which is no output",
    ),
    "train: {target: inputs}": ("CS107", "`target` of `train` must be"),
    "train: {target: input}": ("CS518", "the output can't be compared with the input"),
    "train: {seed: -1}": ("CS107", "`seed` of `train` must be an integer from 0"),
    "train: {optimizer: adm}": ("CS107", "`optimizer` of `train` must be one of"),
    "train: {optimizer: {adm: {}}}": ("CS106", "unknown field `adm` of `optimizer`"),
    "train: {optimizer: {}}": ("CS107", "`optimizer` of `train` must be one of"),
    "train: {optimizer: {sgd: {}, adam: {}}}": ("CS107", "`optimizer` of `train`"),
    "train: {optimizer: {sgd: 1}}": ("CS107", "`sgd` of `optimizer` must be a mapping"),
    "train: {optimizer: {sgd: {lr: 1}}}": ("CS106", "unknown field `lr` of `sgd`"),
    "train: {optimizer: {adam: {beta1: 1}}}": ("CS107", "`beta1` of `adam` must be"),
    "train: {optimizer: [sgd]}": ("CS107", "`optimizer` of `train` must be"),
    "train: {optimizer: {sgd: {nesterov: true}}}": ("CS514", "`nesterov` looks ahead"),
    "train: {optimiser: sgd}": ("CS106", "unknown field `optimiser` of `train`"),
    "train: {optimizer: {rmsprop: {rho: 0.9}}}": ("CS106", "unknown field `rho`"),
    "train: {schedule: {}}": ("CS107", "`schedule` of `train` must be one of step,"),
    "train: {schedule: {step: {milestones: [1]}, cosine: {}}}": ("CS107", "`schedule`"),
    "train: {schedule: cosin}": ("CS107", "`schedule` of `train` must be one of"),
    "train: {schedule: {cosin: {}}}": ("CS106", "unknown field `cosin` of `schedule`"),
    "train: {schedule: step}": ("CS109", "`step` needs `milestones`"),
    "train: {schedule: {step: {}}}": ("CS109", "`step` needs `milestones`"),
    "train: {schedule: {step: {milestones: []}}}": ("CS107", "`milestones` of `step`"),
    "train: {schedule: {step: {milestones: 3}}}": ("CS107", "`milestones` of `step`"),
    "train: {schedule: {step: {milestones: [1.5]}}}": ("CS107", "`milestones`"),
    "train: {schedule: {exponential: {factor: 1}}}": ("CS107", "`factor` of"),
    "train: {schedule: 3}": ("CS107", "`schedule` of `train` must be"),
    "train: {warmup: -1}": ("CS107", "`warmup` of `train` must be a number"),
    "train: {warmup: 1, warmup_from: 1}": ("CS107", "`warmup_from` of `train` must"),
    "train: {clip_norm: 0}": ("CS107", "`clip_norm` of `train` must be a number above"),
    "train: {warmup_from: 0.1}": ("CS522", "`warmup_from` says where warm-up begins"),
    "train: {schedule: {step: {milestones: [3, 3]}}}": ("CS521", "milestone 3 stands"),
    "train: {warmup: 3, schedule: {step: {milestones: [3, 9]}}}": (
        "CS521",
        "milestone 3 lies in the warm-up, which lasts 3 epochs",
    ),
    "train: {schedule: {step: {milestones: [3, 10]}}}": (
        "CS411",
        "training ends before milestone 10 is reached",
    ),
    "train: {epochs: 1, warmup: 1}": ("CS411", "training ends before warm-up does"),
    "train: {epochs: 4, schedule: {exponential: {every: 4}}}": (
        "CS411",
        "training ends before the learning rate changes",
    ),
}


@pytest.mark.parametrize("section", MISTAKES)
def test_a_mistake_in_a_section_is_one_error(section: str) -> None:
    ((code, message),) = found(f"{HEAD}{section}\n")
    assert code == MISTAKES[section][0]
    assert MISTAKES[section][1] in message


def test_a_faulty_network_is_not_blamed_on_its_data_too() -> None:
    text = HEAD.replace("units: 10", "units: 0") + "data: {source: digits}\n"
    assert [code for code, _ in found(text)] == ["CS107"]


CLASSES: dict[str, type[Declared]] = {
    **SOURCES,
    "train": Train,
    **OPTIMIZERS,
    **SCHEDULES,
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_field_takes_its_samples_and_its_default(name: str) -> None:
    for field in CLASSES[name].fields.values():
        for sample in field.samples():
            field.accept(sample)
        if not field.required and field.default is not None:
            field.accept(plain(field.default))
        with pytest.raises(Refused):
            field.accept(object())


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_guide_checks(example: str) -> None:
    two = "x_or_o" in example or "[cat, dog]" in example
    head = HEAD.partition("layers:")[0] if "layers:" in example else HEAD
    assert found((head.replace("10", "2") if two else head) + example) == []


def rows(heading: str) -> dict[str, str]:
    """Defaults by key of the first table under a heading."""
    text = re.split(r"\n#+ ", GUIDE.partition(f"# {heading}\n")[2])[0]
    cells = re.findall(r"^\| `(\w+)` \|.*?\| ([^|]*) \| [^|]*\|$", text, re.MULTILINE)
    return dict(cells)


def shown(field: Any) -> str:
    if field.required:
        return "must be given"
    if field.default is None:
        return "none"
    if isinstance(field.default, dict):
        inner = ", ".join(f"{key}: {value}" for key, value in field.default.items())
        return f"`{{{inner}}}`"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    if isinstance(field.default, str):
        return f"`{field.default}`"
    return {1e-8: "1e-8", 0.0: "0"}.get(field.default, str(field.default))


@pytest.mark.parametrize("name", ["data", *CLASSES])
def test_the_guide_lists_every_key_with_its_default(name: str) -> None:
    listed = rows(name)
    if name == "data":
        fields = Pooled.fields | DataSource.fields | AnySource.fields
    elif name in SOURCES:
        own = SOURCES[name].fields.items()
        shared = Pooled.fields
        fields = {k: f for k, f in own if f is not shared.get(k) and k != "source"}
    elif name == "adamw":
        fields = {"weight_decay": OPTIMIZERS[name].fields["weight_decay"]}
    else:
        fields = CLASSES[name].fields
    assert set(listed) == set(fields)
    for key, field in fields.items():
        if name == "train" and field.default is None:
            continue  # it depends on the network, in words
        assert listed[key] == shown(field), key


def test_a_check_without_the_sections_does_not_load_them() -> None:
    text = spec_file("lenet5_modern").read_text().partition("data:")[0]
    code = (
        "import sys\nfrom cnnspec.compile import check_source\n"
        "from cnnspec.source import SourceFile\n"
        f"check_source(SourceFile('x', {text!r}), {{}})\n"
        "print('cnnspec.training' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"


def test_shipped_resnet18_normalises_as_imagenet_does() -> None:
    data, train = read(Path(spec_file("resnet18")).read_text())
    assert data is not None and train is not None
    assert data.values["normalize"] == {
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }
    assert (train.epochs, train.optimizer.values) == (
        90,
        {
            "learning_rate": 0.1,
            "momentum": 0.9,
            "nesterov": False,
            "weight_decay": 1e-4,
        },
    )


@pytest.mark.parametrize("name", CLASSES)
def test_explain_shows_every_key_of_data_and_training(name: str) -> None:
    status, page = command("explain", name)
    assert status == 0
    shown = re.findall(r"^  (\w+)$", page, re.M)
    assert sorted(shown) == sorted(CLASSES[name].fields)
    status, listed = command("explain", "data")
    assert name in listed or name not in SOURCES
