"""Kinds of fields: a plain value from a spec enters, the canonical value or a refusal leaves.

Each kind has two faces, its parser (`accept`) and its JSON Schema (`schema`). The parser is the
fast path of a valid spec; where it refuses, the schema explains why (see `schema.explain`).
A property test holds the two to the same verdict.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NoReturn, TypeVar, overload

T = TypeVar("T")
Plain = Any  # None, bool, int, float, str, list or dict of them: YAML without positions

LARGEST = (
    10**18
)  # no size in a network comes near; exact integers far beyond it slow reports


class _Marker:
    """A value that no spec can contain, with a name for debugging."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


REQUIRED = _Marker("REQUIRED")


class Refused(Exception):
    """The value is not of the field's kind; the field's schema says why."""


def refuse() -> NoReturn:
    raise Refused


class Field(Generic[T]):
    """One key of a declared mapping.

    Args:
        default: the value where the key is absent; REQUIRED where it must be given.
        doc: one sentence for the reference, the schema and the editor.
        unit: such as "pixels"; empty where there is none.
    """

    takes_text: ClassVar[bool] = False  # wants a scalar's text (`1.10`), not its number
    name: str

    def __init__(self, default: Any = REQUIRED, *, doc: str, unit: str = "") -> None:
        self.default = default
        self.doc = doc
        self.unit = unit

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.rstrip("_")  # `from_`, `with_`: keywords of Python

    @overload
    def __get__(self, obj: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, obj: Declared, owner: type) -> T: ...
    def __get__(self, obj: Declared | None, owner: type) -> Field[T] | T:
        if obj is None:
            return self
        value: T = obj.values[self.name]
        return value

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def accept(self, value: Plain) -> T:
        """The canonical value; raises Refused."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a value without expressions."""
        raise NotImplementedError

    def samples(self) -> list[Plain]:
        """Valid values over the declared range, for tests; the default is not all of them."""
        raise NotImplementedError


class Integer(Field[int]):
    """A whole number between two limits. A float is refused, 4.0 too; so is a boolean."""

    def __init__(
        self,
        default: Any = REQUIRED,
        *,
        least: int = 0,
        most: int = LARGEST,
        doc: str,
        unit: str = "",
    ) -> None:
        super().__init__(default, doc=doc, unit=unit)
        self.least, self.most = least, most

    def accept(self, value: Plain) -> int:
        if type(value) is int and self.least <= value <= self.most:
            return value
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def samples(self) -> list[Plain]:
        return [n for n in range(self.least, self.least + 5) if n <= self.most]


class Number(Field[float]):
    """A number between two limits; `above` and `below` exclude theirs."""

    def __init__(
        self,
        default: Any = REQUIRED,
        *,
        least: float | None = None,
        above: float | None = None,
        most: float | None = None,
        below: float | None = None,
        samples: list[Plain],
        doc: str,
        unit: str = "",
    ) -> None:
        super().__init__(default, doc=doc, unit=unit)
        self.least, self.above, self.most, self.below = least, above, most, below
        self._samples = samples

    def accept(self, value: Plain) -> float:
        if type(value) is not float and (
            type(value) is not int or abs(value) > LARGEST
        ):
            refuse()
        if (
            (self.least is not None and value < self.least)
            or (self.above is not None and value <= self.above)
            or (self.most is not None and value > self.most)
            or (self.below is not None and value >= self.below)
        ):
            refuse()
        return value

    def schema(self) -> dict[str, Any]:
        limits = {
            "minimum": self.least,
            "exclusiveMinimum": self.above,
            "maximum": self.most,
            "exclusiveMaximum": self.below,
        }
        return {"type": "number"} | {k: v for k, v in limits.items() if v is not None}

    def samples(self) -> list[Plain]:
        return self._samples


class Boolean(Field[bool]):
    """`true` or `false`."""

    def accept(self, value: Plain) -> bool:
        if type(value) is bool:
            return value
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def samples(self) -> list[Plain]:
        return [True, False]


class Choice(Field[str]):
    """One word of a few."""

    def __init__(
        self, *options: str, default: Any = REQUIRED, doc: str, unit: str = ""
    ) -> None:
        super().__init__(default, doc=doc, unit=unit)
        self.options = options

    def accept(self, value: Plain) -> str:
        if type(value) is str and value in self.options:
            return value
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}

    def samples(self) -> list[Plain]:
        return list(self.options)


class Text(Field[str]):
    """Any text; it enters generated source only as a literal."""

    takes_text = True

    def accept(self, value: Plain) -> str:
        if type(value) is str:
            return value
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def samples(self) -> list[Plain]:
        return ["some text", 'quotes " and \\ backslashes']


class PerAxis(Field["int | tuple[int, ...]"]):
    """One whole number for all spatial axes, or a list with one for each.

    How many axes there are only the input says: `axes` spreads the value, or returns None.
    """

    def __init__(
        self, default: Any = REQUIRED, *, least: int = 1, doc: str, unit: str = "pixels"
    ) -> None:
        super().__init__(default, doc=doc, unit=unit)
        self.least = least

    def accept(self, value: Plain) -> int | tuple[int, ...]:
        if type(value) is int and self.least <= value <= LARGEST:
            return value
        if type(value) is list and 1 <= len(value) <= 3 and all(map(self._fits, value)):
            return tuple(value)
        refuse()

    def _fits(self, value: Plain) -> bool:
        return type(value) is int and self.least <= value <= LARGEST

    def schema(self) -> dict[str, Any]:
        one = {"type": "integer", "minimum": self.least, "maximum": LARGEST}
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": 3}
        return {"anyOf": [one, many]}

    def samples(self) -> list[Plain]:
        n = self.least
        return [n, n + 1, n + 2, [n + 1, n], [n, n + 2]]


def spread(value: int | tuple[int, ...], rank: int) -> tuple[int, ...] | None:
    """A PerAxis value for each of `rank` axes; None where its list has another length."""
    if isinstance(value, int):
        return (value,) * rank
    return value if len(value) == rank else None


class Padding(Field["str | int | tuple[int, ...]"]):
    """`valid`, `same`, a whole number, one per axis, or one per side (before, after by axis)."""

    WORDS: ClassVar[tuple[str, ...]] = ("valid", "same")

    def accept(self, value: Plain) -> str | int | tuple[int, ...]:
        if type(value) is int and 0 <= value <= LARGEST:
            return value
        if type(value) is str and value in self.WORDS:
            return value
        if (
            type(value) is list
            and 1 <= len(value) <= 6
            and len(value) != 5
            and all(type(v) is int and 0 <= v <= LARGEST for v in value)
        ):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        one = {"type": "integer", "minimum": 0, "maximum": LARGEST}
        many = {
            "type": "array",
            "items": one,
            "minItems": 1,
            "maxItems": 6,
            "not": {"minItems": 5, "maxItems": 5},
        }
        return {"anyOf": [one, {"type": "string", "enum": list(self.WORDS)}, many]}

    def samples(self) -> list[Plain]:
        return [0, 1, 2, "valid", "same", [1, 0], [0, 1, 2, 1]]


class Names(Field["tuple[str, ...]"]):
    """A list of names of earlier layers: edges of the graph."""

    names = "a list of names of earlier layers"

    def accept(self, value: Plain) -> tuple[str, ...]:
        if type(value) is list and all(type(v) is str for v in value):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}}

    def samples(self) -> list[Plain]:
        return [[]]


class LayerName(Field["str | None"]):
    """The name of one earlier layer: an edge of the graph."""

    names = "the name of an earlier layer"

    def accept(self, value: Plain) -> str:
        if type(value) is str:
            return value
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def samples(self) -> list[Plain]:
        return ["stem"]


class Parts(Field["tuple[str, ...]"]):
    """Names that an operation gives to its outputs, in their order."""

    names = "a list of 2 names or more"

    def accept(self, value: Plain) -> tuple[str, ...]:
        if (
            type(value) is list
            and len(value) > 1
            and all(type(v) is str for v in value)
        ):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string"}, "minItems": 2}

    def samples(self) -> list[Plain]:
        return [["left", "right"], ["one", "two", "three"]]


class Counts(Field["tuple[int, ...] | None"]):
    """A list of positive whole numbers, as many as something else says."""

    def accept(self, value: Plain) -> tuple[int, ...]:
        if (
            type(value) is list
            and value
            and all(type(v) is int and 0 < v <= LARGEST for v in value)
        ):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        one = {"type": "integer", "minimum": 1, "maximum": LARGEST}
        return {"type": "array", "items": one, "minItems": 1}

    def samples(self) -> list[Plain]:
        return [[1, 3], [2, 2], [1, 1, 2]]


EDGES = (Names, LayerName)  # fields that name layers; their order is that of the inputs
NAMING = (*EDGES, Parts)  # fields whose texts are names, never expressions


class Declared:
    """A mapping whose keys are declared as Fields on the class: layers, optimizers, sources.

    `values` holds each field's canonical value.
    """

    fields: ClassVar[dict[str, Field[Any]]] = {}
    __slots__ = ("values",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {f.name: f for f in vars(cls).values() if isinstance(f, Field)}
        cls.fields = {**cls.fields, **own}

    def __init__(self, given: dict[str, Any]) -> None:
        """`given`: accepted values by field name; the rest take their defaults."""
        self.values = {
            name: given.get(name, field.default) for name, field in self.fields.items()
        }
