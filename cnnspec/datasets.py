"""Where samples come from: the keys of `data` enter, as classes of declared fields they leave."""

from __future__ import annotations

from typing import Any, ClassVar

from cnnspec.fields import (
    Boolean,
    Choice,
    Declared,
    Field,
    Integer,
    Number,
    Plain,
    Text,
    refuse,
)

CLASSES_OF_DIGITS = 10

_MEAN = Number(samples=[], doc="Subtracted.")
_STD = Number(above=0, samples=[], doc="Divided by.")


class Normalize(Field["dict[str, float | tuple[float, ...]]"]):
    """`{mean, std}`, each one number or a list with one for each channel."""

    def accept(self, value: Plain) -> dict[str, float | tuple[float, ...]]:
        if type(value) is not dict or value.keys() != {"mean", "std"}:
            refuse()
        return {
            "mean": _per_channel(_MEAN, value["mean"]),
            "std": _per_channel(_STD, value["std"]),
        }

    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {
                name: {
                    "anyOf": [
                        one.schema(),
                        {"type": "array", "items": one.schema(), "minItems": 1},
                    ]
                }
                for name, one in (("mean", _MEAN), ("std", _STD))
            },
            "required": ["mean", "std"],
            "additionalProperties": False,
        }

    def samples(self) -> list[Plain]:
        return [{"mean": 0.5, "std": 0.25}, {"mean": [0.5], "std": [0.25]}]


def _per_channel(field: Number, value: Plain) -> float | tuple[float, ...]:
    if type(value) is list and value:
        return tuple(map(field.accept, value))
    return field.accept(value)


class ClassNames(Field["tuple[str, ...]"]):
    """Two names or more, each once, as a table's labels are read: without spaces around."""

    def accept(self, value: Plain) -> tuple[str, ...]:
        if (
            type(value) is list
            and len(value) >= 2
            and all(
                type(name) is str and name and name == name.strip() for name in value
            )
            and len(set(value)) == len(value)
        ):
            return tuple(value)
        refuse()

    def schema(self) -> dict[str, Any]:
        outer_space = {"pattern": r"^\s|\s$"}
        one = {"type": "string", "minLength": 1, "not": outer_space}
        return {"type": "array", "items": one, "minItems": 2, "uniqueItems": True}

    def samples(self) -> list[Plain]:
        return [["cat", "dog"], ["10", "9", 'it\'s "odd"']]


class DataSource(Declared):
    """Where samples come from: what all sources share.

    `images` says that samples are images of 1 or 3 channels, `known_classes` how many
    classes they have where every such source has as many.
    """

    images: ClassVar[bool] = True
    known_classes: ClassVar[int | None] = None
    batch_size = Integer(
        64, least=1, doc="Samples in one training step.", unit="samples"
    )

    def labels_for(self, loss: str) -> bool:
        """Whether each sample has a class under that loss; else it has numbers."""
        return True

    @property
    def class_count(self) -> int | None:
        """How many classes the samples have; None where only the data say."""
        return self.known_classes

    @property
    def held_out(self) -> float | None:
        """Share of the samples that is set aside; None where the source has its own."""
        share: float | None = self.values.get("validation_split")
        return share


class Pooled(DataSource):
    """A source without a split of its own."""

    validation_split = Number(
        0.2,
        above=0,
        below=1,
        samples=[0.2, 0.5, 0.05],
        doc="Share of the samples that is set aside for validation.",
    )


def _normalize(mean: float, std: float) -> Normalize:
    return Normalize(
        {"mean": mean, "std": std},
        doc="Mean and deviation of the values, scaled to 0..1, by which they are "
        "normalised.",
    )


def _fit() -> Choice:
    return Choice(
        "crop",
        "stretch",
        default="crop",
        doc="How an image of another shape is fitted: cut to its centre, or distorted.",
    )


class Digits(Pooled):
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, resized to the input.

    They come with scikit-learn: nothing is downloaded.
    """

    known_classes = CLASSES_OF_DIGITS
    source = Choice("digits", doc="Handwritten digits that scikit-learn brings along.")
    normalize = _normalize(0.3, 0.35)


class ImageFolder(Pooled):
    """Images in a folder for each class, cropped or stretched to the input once."""

    source = Choice("image_folder", doc="A folder that holds a folder for each class.")
    path = Text(doc="The folder; relative to where the program is started.")
    fit = _fit()
    normalize = _normalize(0.5, 0.5)


class Csv(Pooled):
    """Images listed in a table, a file .csv with a header: columns `path` and `label`.

    Paths are relative to the table. A column `split` says `train` or `validation` of each;
    without it `validation_split` sets some aside. Labels are the names of classes, or under
    `mean_squared_error` numbers: one for each output, with spaces between.
    """

    source = Choice("csv", doc="A table of the paths and labels of images.")
    path = Text(doc="The file .csv; relative to where the program is started.")
    classes = ClassNames(
        None,
        doc="The classes in the order of the outputs; sorted where they are not listed.",
    )
    fit = _fit()
    normalize = _normalize(0.5, 0.5)

    def labels_for(self, loss: str) -> bool:
        return self.classes is not None or loss != "mean_squared_error"

    @property
    def class_count(self) -> int | None:
        return None if self.classes is None else len(self.classes)


class Benchmark(DataSource):
    """A data set of images that everyone has in the same files, with its own test split."""

    title: ClassVar[str]  # as it is called
    size: ClassVar[int]  # of an image, in pixels
    channels: ClassVar[int]
    path = Text(
        "data",
        doc="The folder that holds its files; relative to where the program is started.",
    )
    download = Boolean(
        True, doc="Download the files where they are not there, by the framework."
    )
    validation_split = Number(
        None,
        above=0,
        below=1,
        samples=[0.2, 0.5, 0.05],
        doc="Share of the training images to validate on; without it the test split is.",
    )


class Mnist(Benchmark):
    """MNIST: 60,000 and 10,000 handwritten digits of 28 x 28 pixels, light on dark.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of
    `t10k`, gzipped or not, in `path` or, as torchvision has them, in `path`/MNIST/raw; or
    Keras' `mnist.npz`, in `path` or in Keras' own folder.

    Source: LeCun, Cortes, Burges.
    """

    title, size, channels, known_classes = "MNIST", 28, 1, 10
    source = Choice("mnist", doc="Handwritten digits in the files of MNIST.")
    normalize = _normalize(0.1307, 0.3081)


class FashionMnist(Benchmark):
    """Fashion-MNIST: 60,000 and 10,000 pictures of clothes of 28 x 28 pixels, light on dark.

    The files are those of MNIST by name, in `path` or, as torchvision has them, in
    `path`/FashionMNIST/raw, or in Keras' own folder.

    Source: Xiao, Rasul, Vollgraf, 2017.
    """

    title, size, channels, known_classes = "Fashion-MNIST", 28, 1, 10
    source = Choice("fashion_mnist", doc="Clothes in the files of Fashion-MNIST.")
    normalize = _normalize(0.286, 0.353)


class Cifar10(Benchmark):
    """CIFAR-10: 50,000 and 10,000 photographs of 32 x 32 pixels in ten classes.

    The files are those of the Python version, `data_batch_1` to `data_batch_5`,
    `test_batch` and `batches.meta`, in `path`, in `path`/cifar-10-batches-py or in Keras'
    own folder. They are pickles, of which only arrays, lists and texts are read.

    Source: Krizhevsky, 2009.
    """

    title, size, channels, known_classes = "CIFAR-10", 32, 3, 10
    source = Choice("cifar10", doc="Photographs in the files of CIFAR-10.")
    normalize = _normalize(0.473, 0.252)


class Cifar100(Benchmark):
    """CIFAR-100: 50,000 and 10,000 photographs of 32 x 32 pixels in a hundred classes.

    The files are those of the Python version, `train`, `test` and `meta`, in `path`, in
    `path`/cifar-100-python or in Keras' own folder. They are pickles, of which only arrays,
    lists and texts are read.

    Source: Krizhevsky, 2009.
    """

    title, size, channels, known_classes = "CIFAR-100", 32, 3, 100
    source = Choice("cifar100", doc="Photographs in the files of CIFAR-100.")
    normalize = _normalize(0.478, 0.268)


class XOrO(DataSource):
    """Drawn images of the letters X and O, light on dark, no two alike.

    Each is drawn at the input's size by the seed: bent smoothly, sheared, turned by up to
    20 degrees, scaled to 0.6 to 1 of its size and shifted by up to a ninth of the image's.
    Nothing is downloaded.
    """

    known_classes = 2
    source = Choice("x_or_o", doc="Drawn letters X and O.")
    samples = Integer(2000, least=2, doc="Images to train on.", unit="samples")
    unseen = Integer(1000, least=1, doc="Images to validate on.", unit="samples")
    normalize = _normalize(0.5, 0.5)


class Arrays(Pooled):
    """NumPy arrays x and y: a file .npz, or a folder with x.npy and y.npy.

    Arrays of a folder are memory-mapped: they may be larger than memory.
    """

    images = False
    source = Choice("arrays", doc="NumPy arrays `x` and `y`.")
    path = Text(
        doc="The .npz file or the folder; relative to where the program is started."
    )
    layout = Choice(
        "channels_last",
        "channels_first",
        default="channels_last",
        doc="Where the channels stand in `x`.",
    )
    normalize = Normalize(
        None,
        doc="Mean and deviation by which values are normalised; 8-bit values are scaled "
        "to 0..1 before, others are taken as they are.",
    )

    def labels_for(self, loss: str) -> bool:
        return loss == "cross_entropy"


class Synthetic(Pooled):
    """Noisy patterns, one for each class: learnable, and the same on every machine."""

    images = False
    source = Choice("synthetic", doc="Patterns with noise, one for each class.")
    samples = Integer(1024, least=2, doc="How many there are.", unit="samples")


SOURCES: dict[str, type[DataSource]] = {
    "digits": Digits,
    "mnist": Mnist,
    "fashion_mnist": FashionMnist,
    "cifar10": Cifar10,
    "cifar100": Cifar100,
    "x_or_o": XOrO,
    "image_folder": ImageFolder,
    "csv": Csv,
    "arrays": Arrays,
    "synthetic": Synthetic,
}


class AnySource(Declared):
    """`data` before it is known which source it names."""

    source = Choice(*SOURCES, doc=f"Where the samples come from: {', '.join(SOURCES)}.")
