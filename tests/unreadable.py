"""Files that hold no weights of a small spec, as bytes, and what is said of each."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import torch

from cnnspec.graph import Graph
from cnnspec.weights.layout import state_shapes
from tests.parity.harness import check_text

SPEC = """\
cnnspec: 1
name: net
input: {channels: 1, height: 4, width: 4}
layers:
  - conv: {filters: 2, kernel: 3}
  - flatten
  - dense: {units: 3}
"""


def state_of(text: str = SPEC) -> dict[str, Any]:
    return {n: np.ones(s, np.float32) for n, s in state_shapes(graph_of(text)).items()}


def graph_of(text: str) -> Graph:
    graph = check_text(text).graph
    assert graph is not None
    return graph


def tensors(**changes: Any) -> dict[str, torch.Tensor]:
    found = {name: torch.from_numpy(a) for name, a in state_of().items()}
    return found | {name.replace("_", ".", 1): t for name, t in changes.items()}


def safetensors(change: Callable[[dict[str, Any]], object] = dict) -> bytes:
    """A file of the spec, its header changed."""
    header, data = {}, b""
    for name, array in state_of().items():
        offsets = [len(data), len(data) + array.nbytes]
        shape = list(array.shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += array.tobytes()
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def saved(value: Any, **options: Any) -> bytes:
    file = BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


class Code:
    """What runs a command where a pickle is loaded without care."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


OTHER = "it is no safetensors, no PyTorch (.pt, .pth) and no .weights.h5"
DAMAGED = "it is no file of torch.save, or is damaged"
PLAIN = (
    "it holds more than tensors and plain data, which is not run: save "
    "`model.state_dict()`"
)
ARCHIVE = saved(tensors())
LEGACY = saved(tensors(), _use_new_zipfile_serialization=False)
KERNEL = "conv.weight"
# what a file is | its bytes | what is said
UNREADABLE = [
    ("empty", b"", "it is empty"),
    ("a text", b"conv.weight: 1.0\n", OTHER),
    ("short", b"\x01\x02", OTHER),
    ("cut in its header", safetensors()[:60], "it is truncated: its header needs "),
    ("cut in its data", safetensors()[:-1], "it is truncated: `dense.bias` ends at "),
    ("longer", safetensors() + b"\0", "it goes on behind its last tensor"),
    (
        "a long header",
        struct.pack("<Q", 1 << 60) + b"{}",
        "its header would be 1,152,921,504,606,846,976 bytes long",
    ),
    ("no JSON", struct.pack("<Q", 3) + b"{a}", "its header is no JSON ("),
    ("no UTF-8", struct.pack("<Q", 3) + b"{\xff}", "its header is no JSON ("),
    (
        "deep",
        struct.pack("<Q", 100_005) + b'{"a":' + b"[" * 100_000,
        "its header is no JSON (",
    ),
    (
        "a name twice",
        struct.pack("<Q", 15) + b'{"a":0,"a":0}  ',
        "its header is no JSON (a name stands twice)",
    ),
    (
        "no tensor",
        safetensors(lambda h: h.update({KERNEL: 3})),
        "its header says nothing of `conv.weight`'s place",
    ),
    (
        "a shape of words",
        safetensors(lambda h: h[KERNEL].update(shape=["two"])),
        "its header has no whole numbers for `conv.weight`",
    ),
    (
        "a negative place",
        safetensors(lambda h: h[KERNEL].update(data_offsets=[-4, 4])),
        "its header has no whole numbers for `conv.weight`",
    ),
    (
        "bytes of another",
        safetensors(lambda h: h[KERNEL].update(shape=[1])),
        "its header gives `conv.weight` other bytes than its own",
    ),
    (
        "numbers of its own",
        safetensors(lambda h: h[KERNEL].update(dtype="F5")),
        "`conv.weight` has numbers of an unknown kind, F5",
    ),
    (
        "odd metadata",
        safetensors(lambda h: h.update(__metadata__={"classes": 3})),
        "the metadata in its header are no texts by name",
    ),
    ("a cut archive", ARCHIVE[:-200], DAMAGED),
    ("another archive", b"PK\x03\x04" + bytes(60), DAMAGED),
    ("a cut old file", LEGACY[:600], DAMAGED),
    ("a module", saved(torch.nn.Linear(2, 2)), PLAIN),
    ("code", saved({"conv.weight": Code()}), PLAIN),
    ("a list", saved([1]), "it holds no state dict but a list"),
    ("an int", saved(3), "it holds no state dict but an int"),
    ("settings", saved({"epoch": 3}), "it holds no state dict: 'epoch' in it is an int"),
    (
        "numbers for names",
        saved({0: torch.ones(1)}),
        "it holds no state dict: '0' in it is a Tensor",
    ),
    (
        "sparse",
        saved(tensors(conv_bias=torch.ones(2).to_sparse())),
        "`conv.bias` is sparse, quantized or without numbers",
    ),
    (
        "without numbers",
        saved(tensors(conv_bias=torch.ones(2, device="meta"))),
        "`conv.bias` is sparse, quantized or without numbers",
    ),
]  # fmt: skip
