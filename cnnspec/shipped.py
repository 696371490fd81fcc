"""The specs that ship with cnnspec enter; their figures leave, and docs/networks.md.

`python -m cnnspec.shipped` prints docs/networks.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from cnnspec.compile import Checked, check_file
from cnnspec.costs import Totals, total
from cnnspec.resources import resource

SCHEMA_LINE = "# yaml-language-server: $schema="
HEADER = """\
# Networks

<!-- Generated from specs/ by `make generate`: edit those. -->

The specs that ship with cnnspec, as `cnnspec list` lists them. `cnnspec init --from resnet50 my.yaml`
copies one to begin with. Parameters are all numbers that the model holds, MACs are multiply-adds of
one sample, depth is the number of convolution and dense layers on the longest path.

"""


class Network(NamedTuple):
    """A shipped spec and what is known of it."""

    name: str
    text: str
    checked: Checked
    totals: Totals

    @property
    def description(self) -> str:
        return (self.checked.spec and self.checked.spec.description) or ""

    @property
    def inputs(self) -> dict[str, str]:
        graph = self.checked.graph
        assert graph is not None
        return {n: str(graph.shape(edge)) for n, edge in graph.inputs.items()}


def names() -> list[str]:
    """Of all shipped specs, in the order of the alphabet."""
    return sorted(path.stem for path in resource("specs").glob("*.yaml"))


def path_of(name: str) -> Path:
    return resource("specs") / f"{name}.yaml"


def network(name: str) -> Network:
    path = path_of(name)
    checked = check_file(str(path), {})
    totals = total(checked.graph) if checked.graph is not None else None
    assert totals is not None, path
    return Network(name, path.read_text("utf-8"), checked, totals)


def network_json(of: Network) -> dict[str, Any]:
    from cnnspec.report import spec_json

    found = spec_json(of.checked)
    keys = ("inputs", "outputs", "totals")
    return {
        "name": of.name,
        "description": of.description,
        **{key: found[key] for key in keys},
    }


def networks_table(networks: list[Network]) -> str:
    """A line for each."""
    heads = ("name", "input", "params", "MACs", "depth", "description")
    rows = [heads, *(_row(each) for each in networks)]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for row in rows:
        left = [row[i].ljust(widths[i]) for i in (0, 1)]
        right = [row[i].rjust(widths[i]) for i in (2, 3, 4)]
        lines.append("  ".join([*left, *right, row[5]]).rstrip())
    return "\n".join(lines) + "\n"


def _row(of: Network) -> tuple[str, ...]:
    costs = of.totals.costs
    inputs = ", ".join(of.inputs.values())
    figures = (f"{costs.params:,}", f"{costs.macs:,}", str(of.totals.depth))
    return (of.name, inputs, *figures, of.description)


def networks_page() -> str:
    """docs/networks.md: every shipped spec, the same on every run."""
    found = [network(name) for name in names()]
    contents = "\n".join(f"- [{of.name}](#{of.name}): {of.description}" for of in found)
    return HEADER + contents + "\n\n" + "\n".join(map(_section, found))


def _section(of: Network) -> str:
    from cnnspec.report import table

    costs, training = of.totals.costs, of.totals.training
    shown = table(of.checked, False, 100, False).partition("\n\n")[2]
    shown = shown.partition("\n\n")[0].rstrip()
    figures = [
        f"| input | {', '.join(of.inputs.values())} |",
        f"| parameters | {costs.params:,} |",
        f"| MACs | {costs.macs:,} |",
        f"| depth | {of.totals.depth} |",
    ]
    if training != costs:
        figures.append(
            f"| in training | {training.params:,} parameters, {training.macs:,} MACs |"
        )
    parts = [
        f"## {of.name}",
        source_comment(of.text),
        f"Spec: [{of.name}.yaml](../specs/{of.name}.yaml).",
        "\n".join(["| | |", "| --- | --- |", *figures]),
        f"```text\n{shown}\n```",
        f"```mermaid\n{_picture(of)}\n```",
    ]
    blocks = _blocks(of.text)
    if blocks:
        parts.append(f"Its blocks:\n\n```yaml\n{blocks}```")
    return "\n\n".join(parts) + "\n"


def _picture(of: Network) -> str:
    """Each block is drawn open where it is first used."""
    from cnnspec.drawing.draw import draw

    spec, graph = of.checked.spec, of.checked.graph
    assert spec is not None and graph is not None
    return draw(spec, graph, "mermaid").rstrip()


def source_comment(text: str) -> str:
    """The comment above a spec: where it comes from and how its variants differ."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith(SCHEMA_LINE):
            lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def _blocks(text: str) -> str:
    """The definitions of blocks as the spec has them."""
    found = re.search(r"^blocks:\n(?:[ #].*\n)+", text, re.M)
    return found[0] if found else ""


if __name__ == "__main__":
    import sys

    sys.stdout.write(networks_page())
