"""The editor's schema takes what the parsers take and refuses what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from cnnspec.compile import check_source
from cnnspec.fields import REQUIRED
from cnnspec.language_schema import document_schema, dump
from cnnspec.layers import OPERATIONS
from cnnspec.resolve import KEYS
from cnnspec.source import SourceFile
from tests.editor.cases import MISTAKES, Mistake
from tests.trees import tree, values

ROOT = Path(__file__).parent.parent

LENET = """
cnnspec: 1
name: lenet5_modern
input: {channels: 1, height: 32, width: 32}
layers:
  - conv: {filters: 6, kernel: 5, activation: tanh}
  - avg_pool: {kernel: 2, stride: 2}
  - flatten
  - dense: {units: 10}
data: {source: digits, batch_size: 64}
train:
  epochs: 15
  loss: cross_entropy
  optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}
"""
EVERYTHING = """
cnnspec: 1
name: everything
description: 1.10
x-anchors: {size: 3, anything: [1, {a: ~}]}
vars: {classes: 10, share: 0.5, wide: true, word: same}
inputs:
  image: {channels: 3, height: $(classes * 3), width: 32}
  code: {features: 8}
blocks:
  unit:
    args: {width: ~, kernel: [3, 3], stride: 1}
    let: {hidden: $(width * 4)}
    layers:
      - conv: {filters: $hidden, kernel: $kernel, padding: [1, $(1 + 0)], stride: [1, $stride]}
        trainable: false
      - batch_norm: {}
      - relu:
layers:
  - unit: {width: 8}
    from: image
    name: first
    when: $wide
    repeat: $(1 + 1)
  - residual:
      body: [relu, {unit: {width: 8}}]
      shortcut:
      connect: $wide
  - parallel:
      merge: add
      split: false
      branches:
        - []
        - - dropout: {rate: $share}
          - tanh
  - head: {name: side, layers: [global_avg_pool, {dense: {units: $classes}}], serve: false}
  - add: {with: [first]}
  - tanh:
    name: bent
  - reuse: bent
  - global_avg_pool: {}
  - dense: {units: $classes}
    name: scores
outputs: [scores, side]
"""
DOCUMENTS = {
    "lenet": LENET,
    "everything": EVERYTHING,
    **{p.name: p.read_text("utf-8") for p in sorted((ROOT / "specs").glob("*.yaml"))},
}


def faults(document: Any) -> list[str]:
    """What a standard validator of either draft finds; both must agree."""
    schema = document_schema()
    new = [e.message for e in Draft202012Validator(schema).iter_errors(document)]
    old = [e.message for e in Draft7Validator(schema).iter_errors(document)]
    assert bool(new) == bool(old)
    return new


def test_the_document_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(document_schema())


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    path = ROOT / "schemas" / "cnnspec-1.schema.json"
    assert path.read_text("utf-8") == dump()


def test_the_document_schema_knows_every_key() -> None:
    assert tuple(document_schema()["properties"]) == KEYS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_right_document_is_accepted_by_schema_and_parser(name: str) -> None:
    text = DOCUMENTS[name]
    assert not faults(values(tree(text)))
    assert not check_source(SourceFile("t.yaml", text), {}).has_errors


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operations_example_satisfies_the_schema_and_editors_show_its_page(
    name: str,
) -> None:
    entries = tree(f"layers:\n{OPERATIONS[name].example}").get("layers")
    assert entries is not None
    document = values(tree(LENET)) | {"layers": values(entries)}
    assert not faults(document)
    shown = document_schema()["$defs"][name]
    summary = " ".join((OPERATIONS[name].__doc__ or "").partition("\n\n")[0].split())
    assert shown["title"] == name
    assert shown["description"].partition("\n")[0].startswith(summary[:60])
    for field in OPERATIONS[name].fields.values():
        note = shown["properties"][field.name]
        assert note["title"] == field.name
        assert note["description"].startswith(field.doc.rstrip("."))
        if field.default not in (REQUIRED, None):
            assert note["default"] == json.loads(json.dumps(field.default))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_fields_of_an_example_and_the_examples_of_fields_satisfy_the_schema(
    name: str,
) -> None:
    schema = document_schema()
    shown = schema["$defs"][name]
    if f"- {name}: {{" in OPERATIONS[name].example:
        assert shown["examples"]
    for example in shown.get("examples", ()):
        validator = Draft202012Validator({**shown, "$defs": schema["$defs"]})
        assert not [error.message for error in validator.iter_errors(example)]
    for field in shown["properties"].values():
        validator = Draft202012Validator({**field, "$defs": schema["$defs"]})
        for example in field.get("examples", ()):
            assert not [error.message for error in validator.iter_errors(example)]


# (text in LENET, what it becomes); the same mistakes are refused by the parsers
MUTATIONS = [
    ("cnnspec: 1\n", ""),
    ("cnnspec: 1\n", "cnnspec: 2\n"),
    ("name: lenet5_modern\n", ""),
    ("name: lenet5_modern", "name: Lenet"),
    ("name: lenet5_modern", "nmae: lenet5_modern"),
    ("name: lenet5_modern", "name: lenet5_modern\ndescription: [a]"),
    ("name: lenet5_modern", "name: lenet5_modern\nvars: {a: [1]}"),
    ("name: lenet5_modern", "name: lenet5_modern\nvars: {A: 1}"),
    ("name: lenet5_modern", "name: lenet5_modern\nvars: [a]"),
    ("name: lenet5_modern", "name: lenet5_modern\nblocks: {a: {}}"),
    ("name: lenet5_modern", "name: lenet5_modern\nblocks: {a: {layers: [], arg: {}}}"),
    ("name: lenet5_modern", "name: lenet5_modern\nblocks: {a: [relu]}"),
    ("name: lenet5_modern", "name: lenet5_modern\noutputs: []"),
    ("name: lenet5_modern", "name: lenet5_modern\noutputs: [conv, conv]"),
    ("name: lenet5_modern", "name: lenet5_modern\noutputs: conv"),
    ("input: {channels: 1, height: 32, width: 32}\n", ""),
    ("input: {channels: 1, height: 32, width: 32}", "inputs: {}"),
    ("height: 32", "height: 0"),
    ("height: 32", "height: tall"),
    (", width: 32", ""),
    ("width: 32", "width: 32, length: 3"),
    ("- flatten", "- 3"),
    ("- flatten", "- conv"),
    ("- flatten", "- head"),
    ("- flatten", "- {}"),
    ("- flatten", "- [flatten]"),
    ("- flatten", "- name: a"),
    ("- flatten", "- flatten: 3"),
    ("- flatten", "- flatten: {axis: 1}"),
    ("- flatten", "- flatten:\n    name: A"),
    ("- flatten", "- flatten:\n    from: [a]"),
    ("- flatten", "- flatten:\n    Extra: 1"),
    ("- flatten", "- flatten:\n    when: 1"),
    ("- flatten", "- flatten:\n    repeat: -1"),
    ("- flatten", "- flatten:\n    repeat: 2.5"),
    ("- flatten", "- flatten:\n    trainable: yes"),
    ("- flatten", "- reuse: {name: conv}"),
    ("- flatten", "- reuse: 3"),
    ("- flatten", "- reuse"),
    ("- flatten", "- residual: [relu]"),
    ("- flatten", "- residual: {shortcut: []}"),
    ("- flatten", "- residual: {body: relu}"),
    ("- flatten", "- residual: {body: [], connect: maybe}"),
    ("- flatten", "- parallel: {branches: []}"),
    ("- flatten", "- parallel: {branches: [relu]}"),
    ("- flatten", "- parallel: {branches: [[relu]], merge: glue}"),
    ("- flatten", "- parallel: {merge: add}"),
    ("- flatten", "- head: {layers: [flatten]}"),
    ("- flatten", "- residual: {body: [{head: {name: a, layers: [flatten]}}]}"),
    ("filters: 6", "filters: 0"),
    ("filters: 6", "filters: six"),
    ("filters: 6", "filters: $six * 2"),
    ("filters: 6", "filter: 6"),
    ("filters: 6, ", ""),
    ("kernel: 5", "kernel: [5, 0]"),
    ("kernel: 5", "kernel: []"),
    ("activation: tanh", "activation: tnah"),
    ("activation: tanh", "activation: tanh, name: c1"),
    ("activation: tanh", "bias: yes"),
    ("activation: tanh", "bias: $yes and $no"),
    ("activation: tanh", "activation: $(tanh"),
    ("activation: tanh", "padding: smae"),
    ("activation: tanh", "padding: [1, 2, 3, 4, 5]"),
    ("activation: tanh", "padding: [a]"),
    ("activation: tanh", "padding: -1"),
    ("- flatten", "- flatten:\n    nmae: a"),
    ("- flatten", "- flatten:\n    name: a\n    Head: 1"),
    ("- flatten", "- residual"),
    ("- flatten", "- parallel:"),
    ("- flatten", "- my_block: 3"),
    ("- flatten", "- My_block"),
    ("- flatten", "- conv: {filters: 1, kernel: 1}\n    init: he_norml"),
    (
        "- flatten",
        "- conv: {filters: 1, kernel: 1}\n    init: {normal: {deviation: 1}}",
    ),
    (
        "- flatten",
        "- conv: {filters: 1, kernel: 1}\n    init: {normal: {}, uniform: {}}",
    ),
    ("- flatten", "- conv: {filters: 1, kernel: 1}\n    init: 3"),
    ("source: digits", "source: digit"),
    ("source: digits, ", ""),
    ("source: digits", "sauce: digits"),
    ("batch_size: 64", "batch_size: 0"),
    ("batch_size: 64", "batch: 64"),
    ("data: {source: digits, batch_size: 64}", "data: digits"),
    ("data: {source: digits, batch_size: 64}", "data:"),
    (LENET[LENET.index("train:") :], "train:\n"),
    ("epochs: 15", "epochs: many"),
    ("epochs: 15", "epoch: 15"),
    ("loss: cross_entropy", "loss: cross_entorpy"),
    ("optimizer: {sgd: {learning_rate: 0.05, momentum: 0.9}}", "optimizer: sdg"),
    ("optimizer: {sgd: {", "optimizer: {sdg: {"),
    ("learning_rate: 0.05", "lr: 0.05"),
    ("momentum: 0.9}", "momentum: 0.9}, adam: {}"),
]


@pytest.mark.parametrize(("old", "new"), MUTATIONS)
def test_a_structural_mistake_is_refused_by_schema_and_parser(
    old: str, new: str
) -> None:
    text = LENET.replace(old, new, 1)
    assert text != LENET
    assert faults(values(tree(text)))
    assert check_source(SourceFile("t.yaml", text), {}).has_errors


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_what_an_editor_underlines_is_refused_by_schema_and_parser(
    mistake: Mistake,
) -> None:
    assert not faults(values(tree(mistake.document)))
    assert faults(values(tree(mistake.text)))
    assert check_source(SourceFile("t.yaml", mistake.text), {}).has_errors
