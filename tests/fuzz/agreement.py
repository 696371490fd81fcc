"""A drawn or a broken spec enters; what check, schema and build disagree about leaves."""

from __future__ import annotations

import json
import random
import traceback
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from cnnspec.compile import Checked, check_source
from cnnspec.emit.build import TARGETS, model_text
from cnnspec.emit.program import program_files
from cnnspec.emit.site import Inexpressible
from cnnspec.fields import LARGEST
from cnnspec.language_schema import document_schema
from cnnspec.report import spec_json
from cnnspec.source import SourceFile
from tests.checking import full_check
from tests.fuzz.specs import Drawn
from tests.parity.harness import loss_of
from tests.trees import read, values

# What the parser alone knows: names and what they stand for, shapes.
UNSEEN = ("CS2", "CS3", "CS4", "CS5")
UNSEEN_CODES = {
    "CS104",  # a name of an operation or a block
    "CS105",  # how many of an entry's keys are operations or blocks
    "CS108",  # a shared key among a block's arguments
    "CS111",  # a text that is no name, for a part or in a list
    "CS112",  # a refused word as a name
    "CS114",  # an initializer that its layer can't have
}


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(document_schema())


def disagreement(drawn: Drawn, source: random.Random, share: float) -> str | None:
    """About a valid spec: schema, and for a share of specs the whole program; None: nothing."""
    document = json.loads(drawn.text)
    if found := next(validator().iter_errors(document), None):
        return f"schema: refuses a valid spec: {found.message[:300]}"
    if source.random() >= share:
        return None
    try:
        return unstable(drawn, source)
    except Inexpressible as fault:  # with another value of a variable
        return None if fault.code.startswith("CS5") else f"build: {fault}"
    except Exception:
        return f"build: raises: {traceback.format_exc(limit=-3)}"


def unstable(drawn: Drawn, source: random.Random) -> str | None:
    """Whether building twice, or checking and building what a build wrote, differs."""
    checked = check_source(SourceFile("spec.yaml", drawn.text), {})
    models = {t: model_text(checked, t, loss_of(checked)) for t in TARGETS}
    if models != drawn.models:
        return "build: another model.py the second time"
    target = source.choice(TARGETS)
    overrides = other_variables(json.loads(drawn.text).get("vars", {}), source)
    built = check_source(SourceFile("spec.yaml", drawn.text), overrides)
    if built.has_errors:
        overrides, built = {}, checked
    files = program_files(built, target, overrides)
    again = check_source(SourceFile("spec.yaml", files["spec.yaml"]), {})
    if verdict(again) != verdict(built):
        return f"build: its spec.yaml checks to something else, built with {overrides}"
    if program_files(again, target, {}) != files:
        return f"build: its spec.yaml builds to other files, built with {overrides}"
    return None


def other_variables(variables: dict[str, Any], source: random.Random) -> dict[str, Any]:
    """Values of `--set` for some variables."""
    return {
        name: not value if type(value) is bool else value + 1
        for name, value in variables.items()
        if not isinstance(value, str) and source.random() < 0.5
    }


def verdict(checked: Checked) -> dict[str, Any]:
    """What a check says of a network, places left out."""
    report = spec_json(checked)
    return {k: report[k] for k in ("name", "ok", "inputs", "outputs", "totals")}


def is_unread(document: Any, error: ValidationError) -> bool:
    """Whether the list or mapping at fault holds an expression: it is read where it is evaluated.

    In what a false `when` drops, and in blocks that nobody uses, it never is.
    """
    around = document
    for key in list(error.absolute_path)[:-1]:
        around = around[key]
    faulty = [error.instance, around if isinstance(around, list) else None]
    return any(isinstance(v, list | dict) and '"$' in json.dumps(v) for v in faulty)


def is_beyond_schema(value: Any) -> bool:
    """Whether it holds what JSON Schema can't tell.

    That is an expression, a float such as 4.0, which to it is an integer, or an integer beyond
    the largest, which to it is a number.
    """
    if isinstance(value, dict):
        return any(is_beyond_schema(inner) for inner in value.values())
    if isinstance(value, list):
        return any(map(is_beyond_schema, value))
    if isinstance(value, str):
        return "$" in value
    if isinstance(value, float):
        return value.is_integer()
    return type(value) is int and abs(value) > LARGEST


def failure(text: str) -> str | None:
    """About a spec that may be broken: an exception, or a verdict that the schema denies."""
    try:
        checked = full_check(text)
    except Exception:
        return f"check: raises: {traceback.format_exc(limit=-3)}"
    if checked is None or checked.spec is None:
        return None
    root, _ = read(text)
    if root is None:
        return None
    document = values(root)
    refused = next(validator().iter_errors(document), None)
    if (
        refused is not None
        and not checked.has_errors
        and not is_unread(document, refused)
    ):
        return f"schema: refuses what the check accepts: {refused.message[:300]}"
    codes = {d.code for d in checked.diagnostics if d.severity == "error"}
    seen = [c for c in codes if c[:3] not in UNSEEN and c not in UNSEEN_CODES]
    if refused is None and seen and not is_beyond_schema(document):
        return f"schema: accepts what the check refuses: {', '.join(sorted(seen))}"
    return None
