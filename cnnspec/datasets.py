"""Where samples come from: the keys of `data` enter, as classes of declared fields they leave."""

from __future__ import annotations

from typing import Any, ClassVar

from cnnspec.fields import Choice, Declared, Field, Integer, Number, Plain, Text, refuse

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


class DataSource(Declared):
    """Where samples come from: what all sources share.

    `labelled` sources give each sample a class; others may give it numbers.
    """

    labelled: ClassVar[bool] = True
    batch_size = Integer(
        64, least=1, doc="Samples in one training step.", unit="samples"
    )
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


class Digits(DataSource):
    """scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, resized to the input.

    They come with scikit-learn: nothing is downloaded.
    """

    source = Choice("digits", doc="Handwritten digits that scikit-learn brings along.")
    normalize = _normalize(0.3, 0.35)


class ImageFolder(DataSource):
    """Images in a folder for each class, cropped or stretched to the input once."""

    source = Choice("image_folder", doc="A folder that holds a folder for each class.")
    path = Text(doc="The folder; relative to where the program is started.")
    fit = Choice(
        "crop",
        "stretch",
        default="crop",
        doc="How an image of another shape is fitted: cut to its centre, or distorted.",
    )
    normalize = _normalize(0.5, 0.5)


class Arrays(DataSource):
    """NumPy arrays x and y: a file .npz, or a folder with x.npy and y.npy.

    Arrays of a folder are memory-mapped: they may be larger than memory.
    """

    labelled = False
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


class Synthetic(DataSource):
    """Noisy patterns, one for each class: learnable, and the same on every machine."""

    source = Choice("synthetic", doc="Patterns with noise, one for each class.")
    samples = Integer(1024, least=2, doc="How many there are.", unit="samples")


SOURCES: dict[str, type[DataSource]] = {
    "digits": Digits,
    "image_folder": ImageFolder,
    "arrays": Arrays,
    "synthetic": Synthetic,
}


class AnySource(Declared):
    """`data` before it is known which source it names."""

    source = Choice(*SOURCES, doc=f"Where the samples come from: {', '.join(SOURCES)}.")
