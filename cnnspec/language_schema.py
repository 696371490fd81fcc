"""The registries of operations, inputs and sections enter; one JSON Schema for editors leaves.

It says the same as the parsers about structure. Names of blocks, what expressions give and
that an entry has one operation only are the parsers' to check.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from cnnspec.containers import CONTAINERS, LISTS
from cnnspec.datasets import SOURCES
from cnnspec.fields import NAMING, Declared, Field
from cnnspec.initializers import INITIALIZERS
from cnnspec.inputs import KINDS
from cnnspec.layers import OPERATIONS
from cnnspec.names import LONGEST_NAME, PATTERN
from cnnspec.optimizers import OPTIMIZERS
from cnnspec.resolve import VERSION
from cnnspec.schema import structure
from cnnspec.shared import SHARED
from cnnspec.training import Train
from cnnspec.wording import alternatives

Schema = dict[str, Any]

# Keywords are those that Draft 7 and Draft 2020-12 share: editors know them all.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCALAR = ["string", "number", "boolean"]  # what a field for text takes: its characters
_EXPRESSION = r"^\$([A-Za-z_][A-Za-z0-9_]*|\([\s\S]*\))\s*$"


def document_schema() -> Schema:
    """The JSON Schema (Draft 2020-12) of a whole spec."""
    return {
        "$schema": DIALECT,
        "title": "cnnspec",
        "description": "A convolutional network and how it is trained.",
        "type": "object",
        "required": ["cnnspec", "name", "layers"],
        "oneOf": [{"required": ["input"]}, {"required": ["inputs"]}],
        "properties": _document_keys(),
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
        "description": {"description": "What the network is.", "type": _SCALAR},
        "vars": _named(
            "Constants of a build; `--set NAME=VALUE` changes them.", {"type": _SCALAR}
        ),
        "input": _ref("input", "What enters the network, without the batch."),
        "inputs": {
            **_named("Several inputs by name.", _ref("input")),
            "minProperties": 1,
        },
        "blocks": _named("Parts of the network that are used by name.", _ref("block")),
        "layers": _ref("top_layers", "The network, from its input on."),
        "outputs": {
            "description": "Names of the layers whose outputs the model returns; without "
            "it the last layer's and the heads'.",
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "uniqueItems": True,
        },
        "data": {
            "description": "What it is trained on.",
            "type": "object",
            "anyOf": [_mapping(cls, name) for name, cls in SOURCES.items()],
        },
        "train": _train(),
    }


def _train() -> Schema:
    schema = _mapping(Train, "train")
    note = schema["properties"]["optimizer"]["description"]
    optimizer = {"description": note, **_one_of(OPTIMIZERS)}
    return {
        **schema,
        "type": "object",
        "properties": {**schema["properties"], "optimizer": optimizer},
    }


def _definitions() -> Schema:
    return {
        "expression": {
            "description": "`$name`, or `$(…)` with numbers, names and operators.",
            "type": "string",
            "pattern": _EXPRESSION,
        },
        "input": {"anyOf": [_mapping(kind, kind.noun) for kind in KINDS]},
        "block": {
            "type": "object",
            "required": ["layers"],
            "properties": {
                "args": _named(
                    "Arguments with their defaults; `~`: must be given.", {}
                ),
                "let": _named("Names for expressions of the arguments.", {}),
                "layers": _ref("layers", "What the block is made of."),
            },
            "additionalProperties": False,
        },
        "layers": _layers("layer"),
        "top_layers": _layers("top_layer"),
        "layer": _layer([name for name in CONTAINERS if name != "head"]),
        "top_layer": _layer(list(CONTAINERS)),
        **{name: _container(name) for name in CONTAINERS},
        **{name: _mapping(op, name) for name, op in OPERATIONS.items()},
    }


def _layers(layer: str) -> Schema:
    return {"type": ["array", "null"], "items": _ref(layer)}


def _layer(containers: list[str]) -> Schema:
    """An item of a list: a bare name, or a mapping with an operation and shared keys."""
    known = [*OPERATIONS, *CONTAINERS]
    return {
        "type": ["object", "string"],
        "if": {"type": "string"},
        "then": {
            "anyOf": [
                {
                    "description": "An operation with its defaults.",
                    "enum": _bare(OPERATIONS),
                },
                {"description": "A block.", **_name(), "not": {"enum": known}},
            ]
        },
        "else": {
            "properties": {
                **_shared_keys(),
                **{name: _ref(name) for name in (*containers, *OPERATIONS)},
                **{name: False for name in CONTAINERS if name not in containers},
            },
            "propertyNames": _name(),
            "additionalProperties": {
                "description": "A block in use, with its arguments.",
                "type": ["object", "null"],
            },
            "not": {"propertyNames": {"enum": list(SHARED)}},
        },
    }


def _shared_keys() -> Schema:
    return {
        "name": _name("Name of this layer, for `from`, `with` and generated code."),
        "from": {
            "description": "Name of the earlier layer that this one reads.",
            "type": "string",
        },
        "when": {
            "description": "Condition; where it is false the layer is left out.",
            **_with_expressions({"type": "boolean"}),
        },
        "repeat": {
            "description": "How many times the layer stands here; `index` counts from 0.",
            **_with_expressions({"type": "integer", "minimum": 0}),
        },
        "trainable": {
            "description": "`false` freezes weights and running statistics.",
            "default": True,
            **_with_expressions({"type": "boolean"}),
        },
        "init": {
            "description": "The distribution that the kernel is drawn from at first.",
            **_one_of(INITIALIZERS),
        },
    }


def _container(name: str) -> Schema:
    schema = _mapping(CONTAINERS[name], name)
    lists = LISTS[name]
    own: Schema = {key: _ref("layers") for key in lists}
    if name == "parallel":
        own = {"branches": {"type": "array", "items": _ref("layers"), "minItems": 1}}
    if name == "head":
        own = {"name": _name("Name of the output."), **own}
    required = [key for key in own if lists.get(key, True)]
    return {
        **schema,
        "type": "object",
        "required": [*required, *schema["required"]],
        "properties": {**own, **schema["properties"]},
    }


def _one_of(kinds: Mapping[str, type[Declared]]) -> Schema:
    """One of a registry: its name, or its name over its fields."""
    return {
        "type": ["object", "string"],
        "if": {"type": "string"},
        "then": {"enum": _bare(kinds)},
        "else": {
            "properties": {name: _mapping(cls, name) for name, cls in kinds.items()},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    }


def _bare(kinds: Mapping[str, type[Declared]]) -> list[str]:
    """The names that can stand alone: no field must be given."""
    return [name for name, cls in kinds.items() if not structure(cls)["required"]]


def _mapping(cls: type[Declared], title: str) -> Schema:
    """A declared mapping; empty (`relu:`) where no field must be given."""
    schema = structure(cls)
    return {
        "title": title,
        "description": _page(cls),
        "type": "object" if schema["required"] else ["object", "null"],
        "required": schema["required"],
        "properties": {name: _field(field) for name, field in cls.fields.items()},
        "additionalProperties": False,
    }


def _page(cls: type[Declared]) -> str:
    page = cleandoc(cls.__doc__ or "")
    example = getattr(cls, "example", "")
    return f"{page}\n\nExample:\n\n{cleandoc(example)}" if example else page


def _field(field: Field[Any]) -> Schema:
    """A field's schema with what an editor shows, expressions let in."""
    notes: Schema = {"description": field.doc}
    if field.unit:
        notes["description"] = f"{field.doc.rstrip('.')} ({field.unit})."
    if not field.required and field.default is not None:
        default = field.default
        notes["default"] = list(default) if isinstance(default, tuple) else default
    if field.takes_text:
        return {**notes, "type": _SCALAR}
    if isinstance(field, NAMING):
        return {**notes, **field.schema()}  # edges of the graph are no values
    return {
        **notes,
        "examples": field.samples()[:3],
        **_with_expressions(field.schema()),
    }


def _with_expressions(schema: Schema) -> Schema:
    """The schema that takes an expression wherever a value may be one."""
    branches = alternatives(schema)
    if len(branches) > 1:
        inner = [_inside(branch) for branch in branches]
        return {"anyOf": [*inner, _ref("expression")]}
    if schema.get("type") in ("integer", "number", "boolean"):
        # Not `anyOf`: an editor says more about one type that is wrong than about two.
        return {**schema, "type": [schema["type"], "string"], "pattern": _EXPRESSION}
    if schema.get("type") == "string" and "enum" not in schema:
        return schema
    return {"anyOf": [_inside(schema), _ref("expression")]}


def _inside(schema: Schema) -> Schema:
    """The schema with expressions let into its items."""
    if "items" in schema:
        return {**schema, "items": _with_expressions(schema["items"])}
    return schema


def _named(description: str, value: Schema) -> Schema:
    """A mapping of names to values of one kind."""
    return {
        "description": description,
        "type": "object",
        "propertyNames": _name(),
        "additionalProperties": value,
    }


def _name(description: str = "") -> Schema:
    name = {"type": "string", "pattern": f"^{PATTERN}$", "maxLength": LONGEST_NAME}
    return {"description": description, **name} if description else name


def _ref(name: str, description: str = "") -> Schema:
    ref = {"$ref": f"#/$defs/{name}"}
    return {"description": description, **ref} if description else ref
