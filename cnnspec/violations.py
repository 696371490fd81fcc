"""A plain value and its JSON Schema enter; what violates it leaves, one item for each mistake.

The only module that imports jsonschema: it is loaded by a spec's first structural mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, ValidationError, validators

from cnnspec.expressions import Expr
from cnnspec.fields import LARGEST

Schema = dict[str, Any]
Path = tuple[str | int, ...]

UNKNOWN, MISSING, VALUE = "unknown", "missing", "value"


class Violation(NamedTuple):
    """One mistake in a value.

    Args:
        kind: UNKNOWN, a key that the mapping does not have; MISSING, keys that it lacks;
            VALUE, a value of the wrong kind or out of range.
        path: keys and indices down to the value; of UNKNOWN and MISSING, to the mapping.
        schema: of the value at the path; of one branch where only one fits its type.
        value: what stands there.
        names: the keys of UNKNOWN and MISSING.
    """

    kind: str
    path: Path
    schema: Schema
    value: Any
    names: tuple[str, ...] = ()


def violations(schema: Schema, value: Any) -> list[Violation]:
    """Every mistake in a value, none where it satisfies the schema.

    An Expr in the value satisfies everything: what it gives is not known yet.
    """
    found: dict[tuple[str, Path], Violation] = {}
    errors = sorted(_validator()(schema).iter_errors(value), key=_wrong_types_first)
    for error in errors:
        for leaf in _leaves(error):
            violation = _violation(leaf)
            found.setdefault((violation.kind, violation.path), violation)
    return list(found.values())


def _violation(error: ValidationError) -> Violation:
    value: Any = error.instance
    schema: Any = error.schema
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        names = tuple(key for key in value if key not in schema["properties"])
        return Violation(UNKNOWN, path, schema, value, names)
    if error.validator == "required":
        names = tuple(key for key in schema["required"] if key not in value)
        return Violation(MISSING, path, schema, value, names)
    return Violation(VALUE, path, schema, value)


def _leaves(error: ValidationError) -> list[ValidationError]:
    """The errors of the alternative that was meant, where the value's type tells which.

    Where no alternative fits, or a word is not among those allowed, the error itself: its
    schema lists all alternatives.
    """
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        return [error]
    alternatives: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        alternatives.setdefault(int(inner.schema_path[0]), []).append(inner)
    here = error.absolute_path
    fitting = [
        inner
        for inner in alternatives.values()
        if not any(e.validator == "type" and e.absolute_path == here for e in inner)
    ]
    if not fitting and type(error.instance) is float:
        # Meant for a number: `kernel: 3.0` is told about integers, not about lists.
        fitting = [
            inner
            for inner in alternatives.values()
            if any(e.validator_value == "integer" for e in inner)
        ]
    if not fitting:
        return [error]
    leaves = [leaf for inner in min(fitting, key=len) for leaf in _leaves(inner)]
    leaves.sort(key=_wrong_types_first)
    words = any(
        e.validator in ("enum", "const") for e in leaves if e.absolute_path == here
    )
    return [error] if words else leaves


def _wrong_types_first(error: ValidationError) -> bool:
    return error.validator != "type"


@cache
def _validator() -> Any:
    """Draft 2020-12 with this language's integers, and with expressions let through."""
    types = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    )
    keywords = {
        name: _but_expressions(check)
        for name, check in Draft202012Validator.VALIDATORS.items()
    }
    extend: Any = validators.extend
    return extend(Draft202012Validator, keywords, type_checker=types)


def _is_integer(checker: Any, value: Any) -> bool:
    """4.0 is none, which JSON Schema would take for one."""
    return type(value) is int and abs(value) <= LARGEST


def _is_number(checker: Any, value: Any) -> bool:
    return type(value) is float or _is_integer(checker, value)


def _but_expressions(
    check: Callable[..., Iterator[ValidationError] | None],
) -> Callable[..., Iterator[ValidationError]]:
    """A keyword's check that an expression always passes."""

    def checked(
        validator: Any, value: Any, instance: Any, schema: Schema
    ) -> Iterator[ValidationError]:
        if not isinstance(instance, Expr):
            yield from check(validator, value, instance, schema) or ()

    return checked
