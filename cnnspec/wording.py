"""Schemas and values enter; the words for what is wanted, what came, and the remedy leave."""

from __future__ import annotations

import re
from typing import Any

from cnnspec.aliases import is_absent
from cnnspec.fields import LARGEST
from cnnspec.scalars import remedy
from cnnspec.suggest import did_you_mean

Schema = dict[str, Any]

_LONGEST_TEXT = 40
_LONGEST_NUMBER = 24
_PLURALS = {"integer": "integers", "number": "numbers", "string": "texts"}
# What YAML 1.1 takes for booleans (yaml.org/type/bool.html) and 1.2 for text.
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y"), "true"),
    **dict.fromkeys(("false", "no", "off", "n"), "false"),
}


def wanted(schema: Schema, instead_of: Any = None) -> str:
    """What a schema takes: `an integer of at least 1, or a list of 1 to 3 integers`.

    Args:
        instead_of: the refused value; the limit of all numbers is named where it passes it.
    """
    if type(instead_of) is int and instead_of > LARGEST:
        return "at most 1e18"
    branches = alternatives(schema)
    if len(branches) > 1:
        return either([wanted(branch) for branch in branches])
    (schema,) = branches
    words = _words(schema)
    if words:
        return either(
            [f"`{shown(word)}`" for word in words], "one of " if len(words) > 2 else ""
        )
    match schema.get("type"):
        case "integer":
            return "an integer" + _limits(schema)
        case "number":
            return "a number" + _limits(schema)
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "text"
        case "array":
            return _list(schema)
        case "object":
            return "a mapping"
        case "null":
            return "nothing"
    return "another value"


def alternatives(schema: Schema) -> list[Schema]:
    """The schemas of which a value satisfies one: branches of `anyOf`, or single types."""
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return [inner for branch in branches for inner in alternatives(branch)]
    types = schema.get("type")
    if isinstance(types, list):
        return [{**schema, "type": one} for one in types]
    return [schema]


def _words(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def either(parts: list[str], before: str = "") -> str:
    """`a`, `a or b`, `a, b or c`; a comma before `or` where a part has several words."""
    if len(parts) < 2:
        return before + "".join(parts)
    comma = "," if any(" " in part for part in parts) else ""
    return f"{before}{', '.join(parts[:-1])}{comma} or {parts[-1]}"


def listed(names: list[str]) -> str:
    """`a`, `a` and `b`, `a`, `b` and `c`, each in backticks."""
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)


def _limits(schema: Schema) -> str:
    """` of at least 1 and below 5`; the limit that all integers have is left out."""
    least, most = _limit(schema, "minimum"), _limit(schema, "maximum")
    above, below = (
        _limit(schema, "exclusiveMinimum"),
        _limit(schema, "exclusiveMaximum"),
    )
    if least is not None and most is not None:
        return f" from {least} to {most}"
    parts = [
        f"{words} {limit}"
        for words, limit in (
            ("of at least", least),
            ("above", above),
            ("of at most", most),
            ("below", below),
        )
        if limit is not None
    ]
    return " " + " and ".join(parts) if parts else ""


def _limit(schema: Schema, keyword: str) -> Any:
    limit = schema.get(keyword)
    return None if limit is None or abs(limit) >= LARGEST else limit


def _list(schema: Schema) -> str:
    items = schema.get("items", {})
    plural = _PLURALS.get(items.get("type", ""), "items") if items else "items"
    if _words(items):
        plural = "words"
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if most is None and least == 1:
        return f"a list of one or more {plural}"
    if most is None:
        return (
            f"a list of {plural}"
            if least == 0
            else f"a list of {least} {plural} or more"
        )
    count = str(most) if least == most else f"{least} to {most}"
    return f"a list of {count} {plural}"


def received(value: Any) -> str:
    """A value for a label: `0`, text `on`, a list of 4 items."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{shown(value)}`"
    if isinstance(value, int | float):
        text = str(value)
        digits = len(text.lstrip("-"))
        return text if digits <= _LONGEST_NUMBER else f"a number of {digits} digits"
    if isinstance(value, str):
        return f"text `{_short(value)}`" if value else "an empty text"
    if isinstance(value, list):
        return list_of(len(value))
    return "a mapping"


def list_of(count: int) -> str:
    if count == 0:
        return "an empty list"
    return f"a list of {count} item{'s' if count > 1 else ''}"


def shown(value: Any) -> str:
    """A value as a spec writes it."""
    if value is None:
        return "~"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        pairs = [f"{key}: {shown(item)}" for key, item in value.items()]
        return f"{{{', '.join(pairs)}}}"
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def help_for(value: Any, schema: Schema, quoted: bool) -> str | None:
    """How to write what was probably meant by a refused value; None where nobody knows.

    Args:
        quoted: the value is a text in quotes.
    """
    branches = alternatives(schema)
    types = {branch.get("type") for branch in branches}
    if isinstance(value, str):
        words = [word for branch in branches for word in _words(branch)]
        return _for_text(value, types, words, quoted)
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return f"write `{int(value)}`"
    if type(value) is int and value in (0, 1) and "boolean" in types:
        return f"write `{shown(bool(value))}`"
    if types == {"array"} and value is not None and not isinstance(value, dict | list):
        return f"write a list: `[{shown(value)}]`"
    return None


def _for_text(
    text: str, types: set[str | None], words: list[Any], quoted: bool
) -> str | None:
    if words and is_absent(text):
        return "this version does not support it"
    meant = did_you_mean(text, [word for word in words if isinstance(word, str)])
    if meant:
        return f"did you mean `{meant}`?"
    boolean = _BOOLEANS.get(text.lower())
    if boolean and "boolean" in types:
        if text.lower() == boolean:
            return f"write `{boolean}`{' without quotes' if quoted else ''}"
        return f"YAML 1.2 reads `{text}` as text: write `{boolean}`"
    if types & {"integer", "number"}:
        if re.fullmatch(r"[-+]?([1-9][0-9]*|0)(\.[0-9]+)?", text):
            return f"write `{text}` without quotes"
        if "array" in types and re.fullmatch(r"\(?[0-9]+( ?[x,] ?[0-9]+)+\)?", text):
            return f"write `[{', '.join(re.findall('[0-9]+', text))}]`"
    if types & {"integer", "number", "boolean"} and text.isidentifier():
        # Where words are taken, too, it may as well be one of those.
        return None if words else f"the value of a variable is written `${text}`"
    if types & {"integer", "number", "boolean"}:
        expression = remedy(text if "$" in text else f"$({text})")
        if expression:
            return f"an expression is written `{expression}`"
    if types == {"array"} and text:
        return f"write a list: `[{_short(text)}]`"
    return None
