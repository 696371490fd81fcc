"""A well-known data set and a target enter; how data.py finds and reads its files leaves."""

from __future__ import annotations

from typing import NamedTuple

from cnnspec.datasets import Benchmark, DataSource
from cnnspec.shapes import Shape

TORCHVISION = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}


class Files(NamedTuple):
    """The files of a data set that everyone has in the same form; empty for other sources."""

    title: str = ""
    cifar: bool = False  # pickles; else idx files
    fashion: bool = False
    npz: bool = False  # whether Keras keeps all of it in a single file
    download: bool = False
    torchvision: str = ""  # the class that downloads it; empty where Keras does
    keras_name: str = ""
    resized: bool = False
    same_size: bool = False
    validated_on: str = ""  # a sentence


def describe_files(data: DataSource, given: Shape, target: str) -> Files:
    if not isinstance(data, Benchmark):
        return Files()
    source = data.values["source"]
    validated = "The test images are what validation is done on."
    if data.held_out is not None:
        validated = (
            "A share of the training images validates; test images are not read."
        )
    return Files(
        title=data.title,
        cifar=data.channels == 3,
        fashion=source == "fashion_mnist",
        npz=source == "mnist",
        download=data.download,
        torchvision=TORCHVISION[source] if target == "pytorch" else "",
        keras_name=source,
        resized=is_resized(data, given),
        same_size=given.spatial == (data.size, data.size),
        validated_on=validated,
    )


def is_resized(data: DataSource, given: Shape) -> bool:
    """Whether stored images have another size, or other channels, than the network takes."""
    if not isinstance(data, Benchmark):
        return False
    return given.spatial != (data.size, data.size) or given.channels != data.channels
