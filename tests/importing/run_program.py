"""Runs a generated program's model on its weights: `python run_program.py PROGRAM WEIGHTS DRAWN`.

DRAWN is an .npz with inputs x (N, H, W, C); the logits are written beside it, as logits.npy.
"""

import sys
from pathlib import Path

import numpy as np


def main():
    program, weights, drawn = map(Path, sys.argv[1:])
    sys.modules["cnnspec"] = None  # importing it fails
    sys.path.insert(0, str(program))
    from predict import load_model

    model, classes = load_model(weights)
    x = np.load(drawn)["x"]
    if "torch" in sys.modules:
        import torch

        with torch.inference_mode():
            y = model(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()
    else:
        y = np.asarray(model(x, training=False))
    assert len(classes) == y.shape[1]
    np.save(drawn.with_name("logits.npy"), y)


if __name__ == "__main__":
    main()
