"""Declared fields enter; their JSON Schema for editors leaves, with titles, notes and examples.

Beside the standard's keywords stand some that yaml-language-server knows and validators ignore:
`errorMessage` and `patternErrorMessage` say what is wrong in words, `defaultSnippets` are further
texts to offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

from cnnspec.diagnostics import Bag
from cnnspec.fields import NAMING, Declared, Field
from cnnspec.one_of import bare_names
from cnnspec.pages import unwrapped
from cnnspec.schema import structure
from cnnspec.source import SourceFile
from cnnspec.wording import alternatives, shown, wanted
from cnnspec.yamltree import Mapping as Tree
from cnnspec.yamltree import Node, Scalar, Sequence, parse

Schema = dict[str, Any]

SCALAR = ["string", "number", "boolean"]  # what a field for text takes: its characters
_OR_EXPRESSION = ", or an expression: `$name` or `$(…)`"
EXPRESSION = r"^\$([A-Za-z_][A-Za-z0-9_]*|\([\s\S]*\))\s*$"


def one_of(kinds: Mapping[str, type[Declared]], what: str) -> Schema:
    """One of a registry: its name, or its name over its fields."""
    bare = bare_names(kinds)
    return {
        "type": ["object", "string"],
        "errorMessage": f"`{what}` takes a name, or a name over its fields.",
        "defaultSnippets": snippets(kinds),
        "if": {"type": "string"},
        "then": {"enum": bare},
        "else": {
            "properties": {name: mapping(cls, name) for name, cls in kinds.items()},
            "additionalProperties": False,
            # Apart: beside it an editor would offer nothing where nothing stands yet.
            "allOf": [{"minProperties": 1, "maxProperties": 1}],
        },
    }


def snippets(kinds: Mapping[str, type[Declared]]) -> list[Schema]:
    """The bare names, for editors: they offer no other text where nothing stands yet."""
    return [
        {
            "label": name,
            "description": page(kinds[name]).partition("\n")[0],
            "body": name,
        }
        for name in bare_names(kinds)
    ]


def mapping(cls: type[Declared], title: str) -> Schema:
    """A declared mapping; empty (`relu:`) where no field must be given."""
    schema = structure(cls)
    kinds = ["object"] if schema["required"] else ["object", "null"]
    takes = "a mapping of fields" if cls.fields else "no fields"
    return {
        "title": title,
        "description": page(cls),
        **_example(cls),
        # Apart, for its message would stand for those of `required` and the others.
        "allOf": [{"type": kinds, "errorMessage": f"`{title}` takes {takes}."}],
        "required": schema["required"],
        "properties": {name: _field(field) for name, field in cls.fields.items()},
        "additionalProperties": False,
    }


def page(cls: type[Declared]) -> str:
    """The docstring, each paragraph and each titled line (Shapes, Source, …) in one line."""
    return unwrapped(cleandoc(cls.__doc__ or ""))


def _example(cls: type[Declared]) -> Schema:
    """The fields of the example, where it has any."""
    text = cleandoc(getattr(cls, "example", ""))
    root = parse(SourceFile("example", f"layers:\n{text}"), Bag()) if text else None
    layers = root.get("layers") if root is not None else None
    for entry in layers.items if isinstance(layers, Sequence) else ():
        name = getattr(cls, "op", None)
        given = entry.get(name) if name and isinstance(entry, Tree) else None
        if given is not None:
            return {"examples": [_plain(given)]}
    return {}


def _plain(node: Node) -> Any:
    """A node's value, expressions as they are written."""
    if isinstance(node, Tree):
        return {key.text: _plain(child) for key, child in node.items}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.value


def _field(field: Field[Any]) -> Schema:
    """A field's schema with what an editor shows, expressions let in."""
    doc = f"{field.doc.rstrip('.')} ({field.unit})." if field.unit else field.doc
    notes: Schema = {"title": field.name, "description": doc}
    if not field.required and field.default is not None:
        notes["description"] += f" Default: `{shown(field.default)}`."
        notes["default"] = _json(field.default)
    if field.takes_text:
        return {**notes, "type": SCALAR}
    schema = field.schema()
    if not isinstance(field, NAMING):  # edges of the graph are no values
        schema = with_expressions(schema)
        examples = _examples(field)
        notes |= {"examples": examples} if examples else {}
    if field.required:
        return {**notes, **schema}
    # Else an editor that writes the mapping would write each default into it.
    return {**notes, "allOf": [schema]}


def _examples(field: Field[Any]) -> list[Any]:
    """Values beside the default; all words where other values may stand, too."""
    branches = alternatives(field.schema())
    words = [word for branch in branches for word in branch.get("enum", ())]
    if len(branches) == 1 and (words or branches[0].get("type") == "boolean"):
        return []  # an editor offers them as it is
    values = [*words, *(value for value in field.samples() if value not in words)]
    return [value for value in values if value != field.default][: len(words) + 2]


def _json(default: Any) -> Any:
    return [_json(item) for item in default] if isinstance(default, tuple) else default


def with_expressions(schema: Schema) -> Schema:
    """The schema that takes an expression wherever a value may be one."""
    branches = alternatives(schema)
    kinds = [branch.get("type") for branch in branches]
    if len(set(kinds)) < len(kinds) or not all(kinds):
        return {"anyOf": [*map(_inside, branches), ref("expression")]}
    # Not `anyOf`, of whose alternatives an editor explains one, and maybe the wrong one. The
    # keywords of one type say nothing about values of another.
    merged: Schema = {"errorMessage": f"Takes {wanted(schema)}{_OR_EXPRESSION}."}
    apart = []
    for branch in branches:
        if branch["type"] == "array":  # else an editor begins a list for the value
            one_type = {**_inside(branch)}
            del one_type["type"]
            if "not" in one_type:
                one_type["not"] = {"type": "array", **one_type["not"]}
            apart.append(one_type)
        else:
            own = _inside(branch).items()
            merged |= {k: v for k, v in own if k not in ("type", "enum")}
    if apart:
        merged["allOf"] = apart
    words = [word for branch in branches for word in branch.get("enum", ())]
    if words and kinds == ["string"]:
        return {"anyOf": [{"enum": words}, ref("expression")]}
    if words:
        expression = {"type": "string", "pattern": r"^\$"}
        one = {"if": expression, "then": ref("expression"), "else": {"enum": words}}
        merged |= {"if": {"type": "string"}, "then": one}
    elif "string" not in kinds:
        merged |= {
            "pattern": EXPRESSION,
            "patternErrorMessage": merged["errorMessage"],
        }
    return {"type": [*dict.fromkeys([*kinds, "string"])], **merged}


def _inside(schema: Schema) -> Schema:
    """The schema with expressions let into its items or values."""
    if "items" in schema:
        return {**schema, "items": with_expressions(schema["items"])}
    if "properties" in schema:
        inner = schema["properties"].items()
        return {**schema, "properties": {k: with_expressions(v) for k, v in inner}}
    return schema


def ref(name: str, description: str = "") -> Schema:
    found = {"$ref": f"#/$defs/{name}"}
    return {"description": description, **found} if description else found
