"""Draws docs/pictures/edge_filters.png: what specs/edge_filters.yaml makes of a photograph.

`python examples/edge_filters.py` builds the PyTorch program into a temporary folder and runs its
model on china.jpg, which comes with scikit-learn.
"""

import importlib.util
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_image

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "specs" / "edge_filters.yaml"
PICTURE = ROOT / "docs" / "pictures" / "edge_filters.png"
SHOWN = {"sharpen": "sharpen", "edge": "edge", "strong_edge": "strong edge"}


def generated_model(folder):
    """The model that `cnnspec build` writes."""
    build = [sys.executable, "-m", "cnnspec", "build", str(SPEC)]
    subprocess.run([*build, "--target", "pytorch", "-o", folder], check=True, cwd=ROOT)
    spec = importlib.util.spec_from_file_location("model", Path(folder, "model.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EdgeFilters().eval()


def photograph():
    """A grey photograph, (427, 640), from 0 to 1."""
    grey = Image.fromarray(load_sample_image("china.jpg")).convert("L")
    return torch.from_numpy(np.array(grey)) / 255


def draw(pictures):
    """A panel for each picture, under its name."""
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    panels = figure.subplots(2, 2).flat
    for panel, (name, picture) in zip(panels, pictures.items(), strict=True):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="none")
        panel.set_title(name)
        panel.axis("off")
    return figure


def main():
    image = photograph()
    with TemporaryDirectory() as folder, torch.no_grad():
        maps = generated_model(folder)(image[None, None])
    pictures = {"photograph": image}
    for name, title in SHOWN.items():
        # Below 0 and above 1 a map is cut: of an edge its bright side is seen.
        pictures[title] = maps[name][0, 0].clamp(0, 1)
    drawn = BytesIO()
    draw(pictures).savefig(drawn, dpi=100)
    PICTURE.parent.mkdir(exist_ok=True)
    # Few greys, for a small file.
    Image.open(drawn).convert("L").quantize(24).save(PICTURE, optimize=True)
    print(f"drew {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
