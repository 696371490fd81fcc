"""Images and labels enter; the files of well-known data sets leave, as others write them.

Nothing here needs cnnspec: programs under test use it, too.
"""

from __future__ import annotations

import gzip
import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

KINDS = {"train": "train", "test": "t10k"}
Part = tuple[np.ndarray, np.ndarray]
Parts = dict[str, Part]


def grey(seed: int, train: int = 40, test: int = 12) -> Parts:
    """Images (N, 28, 28), each class a bar at its own height, and labels of ten classes."""
    draw = np.random.default_rng(seed)
    found = {}
    for part, count in (("train", train), ("test", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = draw.integers(0, 60, (count, 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 3 : 2 * label + 6] += 180
        found[part] = images, labels
    return found


def colour(seed: int, classes: int, train: int = 40, test: int = 12) -> Parts:
    """Images (N, 32, 32, 3), and labels."""
    draw = np.random.default_rng(seed)
    return {
        part: (
            draw.integers(0, 256, (count, 32, 32, 3), np.uint8),
            np.arange(count) * 7 % classes,
        )
        for part, count in (("train", train), ("test", test))
    }


def idx(array: np.ndarray) -> bytes:
    """The format of MNIST's own page: a magic number, the sizes, the bytes."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes((0, 0, 8, array.ndim)) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, parts: Parts, zipped: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels) in parts.items():
        for array, kind in ((images, "images-idx3"), (labels, "labels-idx1")):
            path = folder / f"{KINDS[part]}-{kind}-ubyte"
            if zipped:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))


def write_npz(path: Path, parts: Parts) -> None:
    """As Keras keeps MNIST."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"x_{part}": images for part, (images, _) in parts.items()}
    arrays |= {f"y_{part}": labels for part, (_, labels) in parts.items()}
    np.savez(path, **arrays)


class _AsPython2(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Protocol 2 as Python 2 wrote it: all text is bytes, and booleans are integers."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(
        pickle._Pickler.dispatch  # type: ignore[attr-defined]
    )

    def save_text(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_truth(self, value: bool) -> None:
        self.write(b"K" + bytes([value]))

    dispatch[str] = dispatch[bytes] = save_text
    dispatch[bool] = save_truth


def python2_pickle(value: Any) -> bytes:
    file = io.BytesIO()
    _AsPython2(file, 2).dump(value)
    return file.getvalue().replace(
        b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"
    )


def rows(images: np.ndarray) -> np.ndarray:
    """As CIFAR has images: rows of all red bytes, all green, all blue."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def write_cifar10(folder: Path, parts: Parts) -> list[str]:
    """The files of the Python version; the names of the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"kind {number}" for number in range(10)]
    images, labels = parts["train"]
    files = {"test_batch": parts["test"]}
    cuts = np.array_split(np.arange(len(images)), 5)
    for number, cut in enumerate(cuts, 1):
        files[f"data_batch_{number}"] = images[cut], labels[cut]
    for name, (some, answers) in files.items():
        batch = {"data": rows(some), "labels": answers.tolist(), "batch_label": name}
        (folder / name).write_bytes(python2_pickle(batch))
    (folder / "batches.meta").write_bytes(python2_pickle({"label_names": names}))
    return names


def write_cifar100(folder: Path, parts: Parts) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"kind {number}" for number in range(100)]
    for part, (images, labels) in parts.items():
        batch = {
            "data": rows(images),
            "fine_labels": labels.tolist(),
            "coarse_labels": (labels // 5).tolist(),
        }
        (folder / part).write_bytes(pickle.dumps(batch))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": names}))
    return names
