"""The registries of operations, inputs and sections enter; one JSON Schema for editors leaves.

It says the same as the parsers about structure. Names of blocks, what expressions give and
that an entry has one operation only are the parsers' to check.
"""

from __future__ import annotations

import json
from typing import Any

from cnnspec.containers import CONTAINERS, LISTS
from cnnspec.datasets import SOURCES
from cnnspec.field_schema import (
    EXPRESSION,
    SCALAR,
    mapping,
    one_of,
    page,
    ref,
    snippets,
    with_expressions,
)
from cnnspec.initializers import INITIALIZERS
from cnnspec.inputs import KINDS, InputKind
from cnnspec.layers import OPERATIONS
from cnnspec.names import LONGEST_NAME, PATTERN
from cnnspec.one_of import OneOf, bare_names
from cnnspec.resolve import VERSION
from cnnspec.shared import SHARED
from cnnspec.training import LOSSES, Train

Schema = dict[str, Any]

# Keywords are those that Draft 7 and Draft 2020-12 share: editors know them all.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_LISTS = {  # of containers
    "body": "The layers that the input goes through.",
    "shortcut": "The layers of the other way; the input itself where there are none.",
    "branches": "A list of layers for each branch.",
    "layers": "The layers from the flow to this output.",
}


def document_schema() -> Schema:
    """The JSON Schema (Draft 2020-12) of a whole spec."""
    return {
        "$schema": DIALECT,
        "title": "cnnspec",
        "description": "A convolutional network and how it is trained.",
        "type": "object",
        "required": ["cnnspec", "name", "layers"],
        "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
        "properties": {
            name: {"title": name, **key} for name, key in _document_keys().items()
        },
        "patternProperties": {"^x-": {"description": "Ignored: a place for anchors."}},
        "additionalProperties": False,
        "$defs": _definitions(),
    }


def dump() -> str:
    """The schema as text, the same bytes on every run; ends in a newline."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def _document_keys() -> Schema:
    return {
        "cnnspec": {"description": "Version of the language.", "const": VERSION},
        "name": _name("Name of the generated model."),
        "description": {"description": "What the network is.", "type": SCALAR},
        "vars": _named(
            "Constants of a build; `--set NAME=VALUE` changes them.", {"type": SCALAR}
        ),
        "input": ref("input", "What enters the network, without the batch."),
        "inputs": {
            **_named("Several inputs by name.", ref("input")),
            "minProperties": 1,
        },
        "blocks": _named("Parts of the network that are used by name.", ref("block")),
        "layers": ref("top_layers", "The network, from its input on."),
        "outputs": {
            "description": "Names of the layers whose outputs the model returns; without "
            "it the last layer's and the heads'.",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "uniqueItems": True,
        },
        "data": _data(),
        "train": _train(),
    }


def _data() -> Schema:
    """What `source` says decides which other keys there are."""
    kinds = [
        {
            "if": {
                "type": "object",
                "required": ["source"],
                "properties": {"source": {"const": name}},
            },
            "then": mapping(cls, name),
        }
        for name, cls in SOURCES.items()
    ]
    source = {"title": "source", "description": "Where samples come from."}
    return {
        "title": "data",
        "description": "What it is trained on.",
        "required": ["source"],
        "properties": {"source": {**source, "type": "string", "enum": list(SOURCES)}},
        "allOf": [
            {"type": "object", "errorMessage": "`data` takes a mapping of fields."},
            *kinds,
        ],
    }


def _sizes(kind: type[InputKind]) -> Schema:
    schema = mapping(kind, kind.noun)
    del schema["allOf"]  # its type is said once for all kinds
    return schema


def _train() -> Schema:
    schema = mapping(Train, "train")
    chosen = {
        name: {
            "title": name,
            "description": schema["properties"][name]["description"],
            **one_of(field.kinds, name),
        }
        for name, field in Train.fields.items()
        if isinstance(field, OneOf)
    }
    one = with_expressions({"type": "string", "enum": list(LOSSES)})
    loss = {
        "title": "loss",
        "description": schema["properties"]["loss"]["description"],
        "type": ["object", "string"],
        "errorMessage": "`loss` takes a loss, or a mapping of outputs to losses.",
        "if": {"type": "string"},
        "then": one,
        # Apart: beside it an editor would offer nothing where nothing stands yet.
        "else": {"additionalProperties": one, "allOf": [{"minProperties": 1}]},
    }
    properties = {**schema["properties"], **chosen, "loss": loss}
    return {**schema, "type": "object", "properties": properties}  # and not nothing


def _definitions() -> Schema:
    return {
        "expression": {
            "description": "`$name`, or `$(…)` with numbers, names and operators.",
            "type": "string",
            "pattern": EXPRESSION,
            "patternErrorMessage": "An expression is all of its value: `$name` or `$(…)`.",
        },
        "input": {
            "type": ["object"],
            "errorMessage": "An input takes its sizes: `{channels: 3, height: 32, …}`.",
            "anyOf": [_sizes(kind) for kind in KINDS],
        },
        "block": {
            "type": "object",
            "required": ["layers"],
            "properties": {
                "args": _named(
                    "Arguments with their defaults; `~`: must be given.", {}
                ),
                "let": _named("Names for expressions of the arguments.", {}),
                "layers": ref("layers", "What the block is made of."),
            },
            "additionalProperties": False,
        },
        "layers": _layers("layer"),
        "top_layers": _layers("top_layer"),
        "layer": _layer([name for name in CONTAINERS if name != "head"]),
        "top_layer": _layer(list(CONTAINERS)),
        "bare_layer": _bare_layer(),
        **{f"key_{name}": schema for name, schema in _shared_keys().items()},
        **{name: _container(name) for name in CONTAINERS},
        **{name: mapping(op, name) for name, op in OPERATIONS.items()},
    }


def _layers(layer: str) -> Schema:
    return {"type": ["array", "null"], "items": ref(layer)}


def _layer(containers: list[str]) -> Schema:
    """An item of a list: a bare name, or a mapping with an operation and shared keys."""
    known = [*OPERATIONS, *CONTAINERS]
    kinds = {name: ref(name) for name in (*containers, *OPERATIONS)}
    shared = {name: ref(f"key_{name}") for name in SHARED}
    return {
        "title": "layer",
        "type": ["object", "string"],
        "errorMessage": "A layer is a name, or a mapping with one operation.",
        "if": {"type": "string"},
        "then": ref("bare_layer"),
        "else": {
            "propertyNames": _name(),
            "if": {"propertyNames": {"not": _one_word(known)}},
            "then": {
                "defaultSnippets": snippets(OPERATIONS),
                "properties": {**shared, **kinds},
                "additionalProperties": _use(),
                "if": {"type": "object", "propertyNames": _one_word([*SHARED])},
                "then": _never("This layer names no operation."),
            },
            # Where the operation stands there, an editor offers what may stand beside it.
            "else": {
                "properties": shared,
                "patternProperties": {
                    f"^{name}$": kind for name, kind in kinds.items()
                },
                "additionalProperties": False,
            },
        },
    }


def _bare_layer() -> Schema:
    """An operation or a block whose fields all have defaults."""
    known = [*OPERATIONS, *CONTAINERS]
    bare = bare_names(OPERATIONS)
    return {
        "anyOf": [
            *(
                {"title": op, "description": page(OPERATIONS[op]), "const": op}
                for op in bare
            ),
            {
                "title": "block",
                "description": "A block, with its arguments' defaults.",
                **_name(),
                "not": _one_word(bare),
            },
        ],
        "if": _one_word([name for name in known if name not in bare]),
        "then": _never("It must be given fields: write `NAME: {…}`."),
    }


def _use() -> Schema:
    return {
        "title": "block",
        "description": "A block in use, with its arguments.",
        "type": ["object", "null"],
        "errorMessage": "A block takes a mapping of arguments; no other key stands here.",
    }


def _one_word(words: list[str]) -> Schema:
    # No `enum`: an editor would show what is tried here as what is allowed.
    return {"type": "string", "pattern": f"^({'|'.join(words)})$"}


def _never(message: str) -> Schema:
    """What stands there is wrong, and an editor says why."""
    return {"type": "null", "errorMessage": message}


def _shared_keys() -> Schema:
    keys = {
        "name": _name("Name of this layer, for `from`, `with` and generated code."),
        "from": {
            "description": "Name of the earlier layer that this one reads.",
            "type": "string",
        },
        "when": {
            "description": "Condition; where it is false the layer is left out.",
            **with_expressions({"type": "boolean"}),
        },
        "repeat": {
            "description": "How many times the layer stands here; `index` counts from 0.",
            "default": 1,
            **with_expressions({"type": "integer", "minimum": 0}),
        },
        "trainable": {
            "description": "`false` freezes weights and running statistics.",
            "default": True,
            **with_expressions({"type": "boolean"}),
        },
        "init": {
            "description": "The distribution that the kernel is drawn from at first.",
            **one_of(INITIALIZERS, "init"),
        },
    }
    return {name: {"title": name, **schema} for name, schema in keys.items()}


def _container(name: str) -> Schema:
    if name == "reuse":
        return _reuse()
    schema = mapping(CONTAINERS[name], name)
    lists = LISTS[name]
    own: Schema = {key: ref("layers", _LISTS[key]) for key in lists}
    if name == "parallel":
        branches = {"type": "array", "items": ref("layers"), "minItems": 1}
        own = {"branches": {"description": _LISTS["branches"], **branches}}
    if name == "head":
        own = {"name": _name("Name of the output."), **own}
    required = [key for key in own if lists.get(key, True)]
    return {
        **schema,
        "type": "object",
        "required": [*required, *schema["required"]],
        "properties": {**own, **schema["properties"]},
    }


def _reuse() -> Schema:
    return {
        "title": "reuse",
        "description": page(CONTAINERS["reuse"]),
        "type": "string",
        "errorMessage": "`reuse` takes the name of an earlier layer or block.",
    }


def _named(description: str, value: Schema) -> Schema:
    """A mapping of names to values of one kind."""
    return {
        "description": description,
        "type": "object",
        "errorMessage": "It takes a mapping of names to what they mean.",
        "propertyNames": _name(),
        "additionalProperties": value,
    }


def _name(description: str = "") -> Schema:
    name = {
        "type": "string",
        "pattern": f"^{PATTERN}$",
        "patternErrorMessage": "A name is lowercase letters, digits and `_`.",
        "maxLength": LONGEST_NAME,
    }
    return {"description": description, **name} if description else name
