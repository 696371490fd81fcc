"""What a file holds and a spec enter; the names that are found to belong together leave."""

from __future__ import annotations

from pathlib import Path

from cnnspec.compile import Checked, check_file
from cnnspec.weights.importing.adopt import pair_layers
from cnnspec.weights.importing.names import NOTHING, Given
from cnnspec.weights.importing.own import own_layers
from cnnspec.weights.importing.stored import Stored

ROOT = Path(__file__).parents[2]


def path_of(name: str) -> Path:
    """Of a shipped spec, or one of the tests."""
    path = ROOT / "specs" / f"{name}.yaml"
    return path if path.exists() else ROOT / "tests" / "networks" / f"{name}.yaml"


def check_network(name: str) -> Checked:
    checked = check_file(str(path_of(name)), {})
    assert not checked.has_errors
    return checked


def derived(
    stored: Stored, checked: Checked, given: Given = NOTHING
) -> dict[str, tuple[str, str]]:
    """Their layer and what says so, by the spec's layer."""
    assert checked.spec is not None
    assert checked.graph is not None
    ours = own_layers(checked.spec, checked.graph, stored.framework)
    rows = pair_layers(stored, ours, given)
    assert len(rows) == len(ours)
    return {row.ours: (row.theirs.name, row.basis) for row in rows}
