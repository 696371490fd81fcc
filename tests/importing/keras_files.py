"""Saves models of keras.applications: `python keras_files.py FOLDER`.

With random weights, as Keras 3 does (NAME.weights.h5) and in the format of the published files
(NAME.h5). Of those in RUN also inputs and logits: NAME.npz. Prints a name when it is done.
"""

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import h5py
import keras
import numpy as np
from keras import applications
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

SMALL = {"input_shape": (64, 64, 3), "classes": 10}  # 2x2 where it is flattened
RUN = {"VGG16": SMALL, "ResNet50": SMALL}
OTHERS = {"VGG19": SMALL, "MobileNetV2": {}, "DenseNet121": {}, "InceptionV3": {}}


def draw(model, rng):
    """Numbers that a wrong order would not survive; kernels stay as they are."""
    for variable in model.weights:
        if "variance" in variable.path or "gamma" in variable.path:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(rng.normal(0, 0.1, variable.shape))


def main():
    folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
    for name, values in (RUN | OTHERS).items():
        build = getattr(applications, name)
        model = build(weights=None, classifier_activation=None, **values)
        if name in RUN:
            draw(model, rng)
            x = rng.standard_normal((2, *model.input_shape[1:]), np.float32)
            y = np.asarray(model(x, training=False))
            np.savez(folder / f"{name}.npz", x=x, y=y)
        model.save_weights(folder / f"{name}.weights.h5")
        with h5py.File(folder / f"{name}.h5", "w") as file:
            save_weights_to_hdf5_group(file, model)
        print(name, flush=True)
        keras.utils.clear_session(free_memory=False)


if __name__ == "__main__":
    main()
