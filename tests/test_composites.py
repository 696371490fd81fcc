"""A plugin's module that holds several layers: its kernels begin as those of any other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT

PLUGIN = '''\
from cnnspec.layers.layer import Layer, Weight, only
from cnnspec.shapes import MAPS

TORCH = """\\
class Twice(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1, bias=False)
        self.second = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x):
        return self.second(self.first(x))
"""


class Twice(Layer):
    """Mixes the channels of each pixel, and once more."""

    op = "twice"
    takes_init = True
    example = "- twice"

    def infer(self, inputs):
        return (only(self.op, inputs, (MAPS,)),)

    def weights(self, inputs):
        shape = (inputs[0].sizes[0],) * 2 + (1, 1)
        return (Weight("first.weight", shape), Weight("second.weight", shape))

    def torch_parts(self, inputs):
        return ("nn.Conv2d",)

    @classmethod
    def torch_kernels(cls, module, init):
        return (f"for part in {module}.children():",), "part.weight"

    def pytorch(self, site):
        return [site.module(site.helper("Twice", TORCH), site.channels)]

    def keras(self, site):
        return []
'''
SPEC = """\
cnnspec: 1
name: net
input: {channels: 400, height: 2, width: 2}
layers:
  - twice
  - twice:
    init: {normal: {stddev: 3}}
"""
MEASURE = """
import torch
from model import Net

torch.manual_seed(1)
net = Net()
for name in ("twice1", "twice2"):
    for part in getattr(net, name).children():
        print(float(part.weight.std()))
"""


def test_kernels_inside_a_plugins_module_begin_by_the_default_and_by_init(
    tmp_path: Path,
) -> None:
    (tmp_path / "twice.py").write_text(PLUGIN)
    (tmp_path / "spec.yaml").write_text(SPEC)
    line = ("build", "spec.yaml", "--plugin", "twice.py", "--target", "pytorch")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for place, args in (
        (tmp_path, ("-m", "cnnspec", *line, "-o", "made")),
        (tmp_path / "made", ("-c", MEASURE)),
    ):
        done = subprocess.run(
            [sys.executable, *args],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    first, second, third, fourth = map(float, done.stdout.split())
    # 160,000 draws: the standard error is below 0.002 deviations.
    he_normal = (2 / 400) ** 0.5
    assert max(abs(std / he_normal - 1) for std in (first, second)) < 0.01
    assert max(abs(std / 3 - 1) for std in (third, fourth)) < 0.01
