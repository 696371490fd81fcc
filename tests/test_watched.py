"""The reference of `cnnspec verify` tells what every layer of a network makes."""

from pathlib import Path

import pytest
import torch

from cnnspec.compile import Checked, check_file
from cnnspec.emit.build import model_source, watched_model_text
from cnnspec.names import camel
from cnnspec.verify.exchange import Exchange
from cnnspec.verify.nodes import watched_nodes
from cnnspec.verify.plan import prepare_inputs
from cnnspec.verify.pytorch_side import build, tell
from tests.parity.harness import check_text, loss_of
from tests.parity.reuses import REUSES
from tests.test_drawn_structures import draw_structures

SPECS = Path(__file__).parent.parent / "specs"
SMALL = ("autoencoder", "googlenet", "lenet5", "mit_6s191", "resnet20", "x_or_o")


def assert_all_told(checked: Checked, folder: Path) -> None:
    spec, graph = checked.spec, checked.graph
    assert spec is not None and graph is not None
    losses = loss_of(checked)
    (folder / "reference").mkdir()
    text = watched_model_text(checked, losses)
    (folder / "reference" / "model.py").write_text(text)
    inputs = prepare_inputs(graph, 2, 0)
    nodes = watched_nodes(graph, model_source(checked, losses).plain)
    facts = {"class": camel(spec.name), "nodes": nodes}
    exchange = Exchange(folder, facts)
    model = build(exchange, "reference")
    tensors = [torch.from_numpy(value) for value in inputs.values()]
    tell(exchange, "serving", model, tensors)
    told = {node.path: value for node, value in exchange.expected("serving")}
    for node in nodes:
        if not node.left:
            assert told[node.path].shape == (2, *node.sizes), f"{node.path}\n{text}"


@pytest.mark.parametrize("name", REUSES)
def test_what_is_applied_again_is_told_each_time(name: str, tmp_path: Path) -> None:
    assert_all_told(check_text(f"cnnspec: 1\nname: reuses\n{REUSES[name]}"), tmp_path)


def test_every_layer_of_drawn_networks_is_told(tmp_path: Path) -> None:
    drawn, _ = draw_structures("watched", 60)
    for name, (_, checked) in drawn.items():
        (tmp_path / name).mkdir()
        assert_all_told(checked, tmp_path / name)


@pytest.mark.parametrize("name", SMALL)
def test_every_layer_of_a_shipped_network_is_told(name: str, tmp_path: Path) -> None:
    checked = check_file(str(SPECS / f"{name}.yaml"), {})
    assert_all_told(checked, tmp_path)
