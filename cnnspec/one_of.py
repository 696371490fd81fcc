"""A registry of declared mappings enters; a field that takes one of them leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from cnnspec.fields import Declared, Field, Plain, refuse

D = TypeVar("D", bound=Declared)


class OneOf(Field[D]):
    """A name of a registry, or a mapping of one such name to its fields."""

    def __init__(self, kinds: dict[str, type[D]], default: Any = None, *, doc: str):
        super().__init__(default, doc=doc)
        self.kinds = kinds

    def accept(self, value: Plain) -> D:
        if type(value) is str:
            value = {value: None}
        if type(value) is not dict or len(value) != 1:
            refuse()
        ((name, given),) = value.items()
        cls = self.kinds.get(name)
        if cls is None or not (given is None or type(given) is dict):
            refuse()
        given = given or {}
        if not set(required(cls)) <= given.keys() <= cls.fields.keys():
            refuse()
        return cls({key: cls.fields[key].accept(v) for key, v in given.items()})

    def schema(self) -> dict[str, Any]:
        kinds = {
            name: {
                "type": ["object"] if required(cls) else ["object", "null"],
                "properties": {n: f.schema() for n, f in cls.fields.items()},
                "required": required(cls),
                "additionalProperties": False,
            }
            for name, cls in self.kinds.items()
        }
        return {
            "type": ["object", "string"],
            "if": {"type": "string"},
            "then": {"enum": bare_names(self.kinds)},
            "else": {
                "properties": kinds,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        }

    def samples(self) -> list[Plain]:
        """Each by its name where that can stand alone, and with each sample of its fields."""
        found: list[Plain] = [*bare_names(self.kinds)]
        for name, cls in self.kinds.items():
            needed = {n: cls.fields[n].samples()[0] for n in required(cls)}
            for key, field in cls.fields.items():
                found += [{name: {**needed, key: v}} for v in field.samples()]
        return found


def bare_names(kinds: Mapping[str, type[Declared]]) -> list[str]:
    """The names that can stand alone: no field must be given."""
    return [name for name, cls in kinds.items() if not required(cls)]


def required(cls: type[Declared]) -> list[str]:
    """The fields that must be given."""
    return [name for name, field in cls.fields.items() if field.required]
