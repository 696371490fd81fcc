"""Of 100 slips in shipped specs the first diagnostic stands at the slip's line in 95."""

from __future__ import annotations

from pathlib import Path

from cnnspec.compile import check_source
from cnnspec.diagnostics import Bag, Diagnostic
from cnnspec.source import decode
from tests.mutations import SLIPS, Mutation, mutate

SPECS = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parents[1] / "specs").glob("*.yaml")
}
COUNT, WANTED = 100, 95


def first_diagnostic(mutation: Mutation) -> Diagnostic | None:
    bag = Bag()
    source = decode(f"{mutation.spec}.yaml", mutation.text.encode(), bag)
    found = bag.sorted() or check_source(source, {}).diagnostics
    return found[0] if found else None


def test_the_first_diagnostic_names_the_line_of_the_slip() -> None:
    missed = []
    for mutation in mutate(SPECS, seed=2026, count=COUNT):
        first = first_diagnostic(mutation)
        if first is None or first.span.line != mutation.line:
            where = f"line {first.span.line}: {first.message}" if first else "nothing"
            missed.append(
                f"{mutation.slip} in {mutation.spec}, line {mutation.line}: {where}"
            )
    assert len(missed) <= COUNT - WANTED, "\n".join(missed)


def test_a_slip_gives_one_error() -> None:
    several = []
    for mutation in mutate(SPECS, seed=7, count=COUNT):
        bag = Bag()
        source = decode("x", mutation.text.encode(), bag)
        found = bag.sorted() or check_source(source, {}).diagnostics
        errors = [d for d in found if d.severity == "error"]
        if len(errors) != 1:
            shown = "; ".join(f"{d.span.line}: {d.message}" for d in errors)
            several.append(f"{mutation.slip} in {mutation.spec}: {shown}")
    assert len(several) <= COUNT - WANTED, "\n".join(several)


def test_every_kind_of_slip_is_drawn() -> None:
    assert {m.slip for m in mutate(SPECS, seed=2026, count=COUNT)} == set(SLIPS)
