"""A plugin's class enters; why it can't be an operation leaves."""

from __future__ import annotations

import re
from collections.abc import Callable

from cnnspec.containers import CONTAINERS
from cnnspec.fields import Field, Refused
from cnnspec.layers import OPERATIONS
from cnnspec.layers.layer import Layer
from cnnspec.names import LONGEST_NAME, PATTERN, RESERVED
from cnnspec.shared import SHARED


class Unusable(Exception):
    """Why a plugin can't be used: a code with its message, label and help."""

    def __init__(
        self,
        code: str,
        message: str,
        label: str = "",
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.label, self.help = code, message, label, help

    @property
    def text(self) -> str:
        """All of it in one line."""
        label = f": {self.label}" if self.label else ""
        return f"{self.message}{label} ({self.code})"


def check_class(cls: type[Layer]) -> None:
    """Raises Unusable (CS122, CS123) where a complete class can't be an operation."""
    _check_name(cls.op)
    for field in cls.fields.values():
        _check_field(cls, field.name)
        _check_default(cls.op, field)
    _check_attributes(cls)


def _check_name(name: str) -> None:
    is_name = type(name) is str and re.fullmatch(PATTERN, name)
    if not is_name or len(name) > LONGEST_NAME:
        raise Unusable(
            "CS123",
            f"`{str(name)[:40]}` is no name for an operation",
            help="a name is lowercase letters, digits and `_`, and begins with a letter",
        )
    if name in RESERVED:
        raise Unusable("CS123", f"`{name}` can't be an operation: it {RESERVED[name]}")
    if name in OPERATIONS or name in CONTAINERS or name in SHARED:
        what = (
            "a key beside operations"
            if name in SHARED
            else "a container"
            if name in CONTAINERS
            else "an operation"
        )
        raise Unusable(
            "CS123",
            f"`{name}` is {what} already",
            help="give the operation another name",
        )


def _check_field(cls: type[Layer], name: str) -> None:
    """Of `name_ = Integer(…)` the field's name is `name` all the same."""
    if name in SHARED:
        raise Unusable(
            "CS123",
            f"field `{name}` of `{cls.op}` is a key beside operations",
            help="give the field another name",
        )
    if hasattr(Layer, name) and not isinstance(getattr(cls, f"{name}_", None), Field):
        raise Unusable(
            "CS123",
            f"field `{name}` of `{cls.op}` is an attribute of every operation",
            help=f"write `{name}_ = …`: in specs it is `{name}`",
        )


def _check_default(op: str, field: Field[object]) -> None:
    if field.required or field.default is None:
        return
    default = field.default
    try:
        field.accept(list(default) if isinstance(default, tuple) else default)
    except Exception as error:
        label = "" if isinstance(error, Refused) else f": {error}"
        raise Unusable(
            "CS122",
            f"the default of `{field.name}` of `{op}` is none of its values",
            f"{default!r}{label}"[:80],
        ) from None


def _check_attributes(cls: type[Layer]) -> None:
    """Raises Unusable (CS122) where one can't be read."""
    for name, (is_right, what) in _ATTRIBUTES.items():
        value = getattr(cls, name)
        if not is_right(value):
            message = f"`{name}` of `{cls.op}` is not {what}"
            raise Unusable("CS122", message, f"it is {value!r}"[:80])


def _is_arity(value: object) -> bool:
    match value:
        case (int(least), None):
            return least >= 1
        case (int(least), int(most)):
            return 1 <= least <= most
    return False


def _are_versions(value: object) -> bool:
    return type(value) is dict and all(map(_is_text, [*value, *value.values()]))


def _is_flag(value: object) -> bool:
    return type(value) is bool


def _is_text(value: object) -> bool:
    return type(value) is str


_ATTRIBUTES: dict[str, tuple[Callable[[object], bool], str]] = {
    "arity": (_is_arity, "the least and the most number of inputs, as in `(1, 1)`"),
    "versions": (_are_versions, 'versions by package, as in `{"keras": "3.13"}`'),
    "takes_init": (_is_flag, "`True` or `False`"),
    "counts_depth": (_is_flag, "`True` or `False`"),
    "activates": (_is_flag, "`True` or `False`"),
    "follows": (_is_flag, "`True` or `False`"),
    "example": (_is_text, "text"),
    "example_input": (_is_text, "text"),
}
