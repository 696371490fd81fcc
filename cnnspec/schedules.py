"""How the learning rate changes: the keys of `schedule` enter, as classes of declared fields they leave."""

from __future__ import annotations

from typing import ClassVar

from cnnspec.fields import Counts, Declared, Integer, Number, Plain


class Milestones(Counts):
    """A list of positive whole numbers; that they increase is checked where they are read."""

    def samples(self) -> list[Plain]:
        return [[1], [2, 3], [1, 4, 6]]


class Schedule(Declared):
    """How the learning rate goes on from the optimizer's, once warm-up is over."""

    kind: ClassVar[str] = ""


class Step(Schedule):
    """Times `factor` at each milestone. Source: PyTorch's MultiStepLR.

    Milestones count from the start of training, warm-up included.
    """

    kind = "step"
    milestones = Milestones(
        doc="After how many epochs the rate changes, in increasing order.",
        unit="epochs",
    )
    factor = Number(
        0.1,
        above=0,
        below=1,
        samples=[0.1, 0.5],
        doc="What the rate is multiplied with.",
    )


class Exponential(Schedule):
    """Times `factor` after every epoch, or every few. Source: PyTorch's StepLR.

    Epochs count from the end of warm-up.
    """

    kind = "exponential"
    factor = Number(
        0.95,
        above=0,
        below=1,
        samples=[0.95, 0.5],
        doc="What the rate is multiplied with.",
    )
    every = Integer(1, least=1, doc="How long the rate stays.", unit="epochs")


class Cosine(Schedule):
    """Half a period of a cosine, from the end of warm-up to the end of training.

    It changes at every step and ends at `final_rate`. Source: Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts", 2017, without restarts.
    """

    kind = "cosine"
    final_rate = Number(
        0.0, least=0, samples=[0.0, 0.01], doc="The rate at the end of training."
    )


class Polynomial(Schedule):
    """A power of the share that is left, from the end of warm-up to the end of training.

    It changes at every step and ends at `final_rate`; a straight line by default. Source:
    PyTorch's PolynomialLR.
    """

    kind = "polynomial"
    power = Number(1, above=0, samples=[1, 0.9, 2], doc="Of the share that is left.")
    final_rate = Number(
        0.0, least=0, samples=[0.0, 0.01], doc="The rate at the end of training."
    )


SCHEDULES: dict[str, type[Schedule]] = {
    cls.kind: cls for cls in (Step, Exponential, Cosine, Polynomial)
}
