"""What `weights import` shows, what a map of names changes, and what it refuses."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from tests.programs import command

# Two branches and a head alike; the shapes alone leave open which is which.
SPEC = """\
cnnspec: 1
name: forked
input: {channels: 4, height: 6, width: 6}
layers:
  - conv: {filters: 8, kernel: 3}
    name: stem
  - parallel:
      merge: add
      branches:
        - - conv: {filters: 8, kernel: 1}
            name: left
          - batch_norm
        - - conv: {filters: 8, kernel: 1}
            name: right
  - global_avg_pool
  - dense: {units: 3}
"""
SHAPES = {
    "a": {"weight": (8, 4, 3, 3), "bias": (8,)},
    "b": {"weight": (8, 8, 1, 1), "bias": (8,)},
    "c": {"weight": (8, 8, 1, 1), "bias": (8,)},
    "d": {"weight": (8,), "bias": (8,), "running_mean": (8,), "running_var": (8,)},
    "e": {"weight": (3, 8), "bias": (3,)},
}
STATE = {
    f"{layer}.{name}": np.random.default_rng(0).standard_normal(shape, np.float32)
    for layer, tensors in SHAPES.items()
    for name, shape in tensors.items()
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the spec and a state dict that fits it; commands run there."""
    (tmp_path / "spec.yaml").write_text(SPEC)
    save(STATE, tmp_path / "theirs.pth")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def save(state: dict[str, np.ndarray], path: Path) -> None:
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, path)


def run(*args: str, source: str = "theirs.pth") -> tuple[int, str]:
    return command("weights", "import", source, "--spec", "spec.yaml", *args)


def imported(*args: str, source: str = "theirs.pth") -> dict[str, np.ndarray]:
    status, output = run(
        "--to", "pytorch", "-o", "ours.safetensors", *args, source=source
    )
    assert status == 0, output
    return load_file("ours.safetensors")


def called(names: dict[str, str]) -> dict[str, np.ndarray]:
    """The state dict with other names for its layers."""
    return {f"{names[name[0]]}{name[1:]}": value for name, value in STATE.items()}


TABLE = """\
file  shape    spec
a     8x4x3x3  stem
b     8x8x1x1  left        ?
d     8        batch_norm
c     8x8x1x1  right       ?
e     3x8      dense

?  2 a guess: others have the same shapes, and the names don't tell them apart
To correct pairs: --write-map FILE.yaml, change names there, --map FILE.yaml
"""


def test_the_pairs_are_shown_and_guesses_are_marked(folder: Path) -> None:
    assert run() == (0, TABLE)
    assert sorted(path.name for path in folder.iterdir()) == ["spec.yaml", "theirs.pth"]


def test_the_numbers_are_those_of_the_file(folder: Path) -> None:
    found = imported()
    names = {"stem": "a", "left": "b", "right": "c", "batch_norm": "d", "dense": "e"}
    for name, value in found.items():
        layer, _, tensor = name.rpartition(".")
        if tensor != "num_batches_tracked":
            assert np.array_equal(value, STATE[f"{names[layer]}.{tensor}"])
    assert found["batch_norm.num_batches_tracked"] == 0
    assert len(found) == len(STATE) + 1


def test_a_map_of_names_decides_and_the_rest_follows(folder: Path) -> None:
    (folder / "names.yaml").write_text("b: right # the only line\n")
    status, output = run("--map", "names.yaml")
    assert status == 0
    assert "c     8x8x1x1  left\n" in output
    assert "b     8x8x1x1  right       =\n" in output
    assert "=  1 given\n" in output
    assert "?" not in output
    found = imported("--map", "names.yaml")
    assert np.array_equal(found["right.weight"], STATE["b.weight"])
    assert np.array_equal(found["left.weight"], STATE["c.weight"])


def test_words_of_sure_pairs_tell_the_others_apart(folder: Path) -> None:
    """Of two layers alike each shares a word with one that has its shapes alone."""
    text = SPEC.replace("stem", "left_stem").replace(
        "name: left\n", "name: left_fork\n"
    )
    (folder / "spec.yaml").write_text(text)
    names = {"a": "x.in", "b": "y.in", "c": "x.fork", "d": "n", "e": "end"}
    save(called(names), folder / "theirs.pth")
    output = run()[1]
    assert "x.fork  8x8x1x1  left_fork   ~\n" in output
    assert "y.in    8x8x1x1  right       ~\n" in output
    assert "~  2 told by their names from others of the same shapes\n" in output


def test_single_tensors_may_be_given(folder: Path) -> None:
    (folder / "names.yaml").write_text(
        "b.bias: right.bias\nc.weight: left.weight\nc.bias: left.bias\n"
    )
    found = imported("--map", "names.yaml")
    for ours, theirs in {"right": "b", "left": "c"}.items():
        assert np.array_equal(found[f"{ours}.bias"], STATE[f"{theirs}.bias"])
        assert np.array_equal(found[f"{ours}.weight"], STATE[f"{theirs}.weight"])


def test_a_written_map_says_what_was_found_and_gives_the_same_again(
    folder: Path,
) -> None:
    more = {f"aux.{name}": value for name, value in STATE.items()}
    more["0.weight"] = np.zeros((2, 2), np.float32)
    save({**STATE, **more}, folder / "theirs.pth")
    (folder / "names.yaml").write_text('c.bias: left.bias\naux: ~\n"0": ~\n')
    found = imported("--map", "names.yaml", "--write-map", "written.yaml")
    assert (folder / "written.yaml").read_text() == (
        "# THEIRS: OURS, for spec.yaml. A line that is taken out is found anew.\n"
        "a: stem # 8x4x3x3\n"
        "c.bias: left.bias # 8 =\n"
        "c.weight: left.weight # 8x8x1x1\n"
        "d: batch_norm # 8\n"
        "b: right # 8x8x1x1\n"
        "e: dense # 3x8\n"
        "aux.a: ~\naux.b: ~\naux.c: ~\naux.d: ~\naux.e: ~\n"
        '"0": ~\n'
    )
    again = imported("--map", "written.yaml")
    assert found.keys() == again.keys()
    assert all(np.array_equal(found[name], again[name]) for name in found)


MISTAKES = {
    "theirs": (
        "a: stem\nbb.weight: left.weight\n",
        "error[CS601]: there is no `bb.weight` in the file\n --> names.yaml:2:1\n",
        "did you mean `b.weight`?",
    ),
    "ours": (
        "a: stemm\n",
        "error[CS601]: there is no `stemm` in the spec\n --> names.yaml:1:4\n",
        "did you mean `stem`?",
    ),
    "left out": (
        "aux: ~\n",
        "error[CS601]: there is no `aux` in the file\n --> names.yaml:1:1\n",
        "",
    ),
    "ours twice": (
        "b: left\nc: left\n",
        "error[CS602]: `left` is given twice\n --> names.yaml:2:4\n",
        "first here",
    ),
    "theirs twice": (
        "b: left\nb.bias: right.bias\n",
        "error[CS602]: `b.bias` is given twice\n --> names.yaml:2:1\n",
        "first here",
    ),
    "shapes": (
        "a: left\n",
        "error[CS603]: `a` can't become `left`\n --> names.yaml:1:4\n",
        "weight 8x4x3x3, bias 8 against weight 8x8x1x1, bias 8",
    ),
    "a layer and a tensor": (
        "b: left.weight\n",
        "error[CS603]: `b` can't become `left.weight`\n --> names.yaml:1:4\n",
        "weight 8x8x1x1, bias 8 against 8x8x1x1",
    ),
    "a list": (
        "b: [left]\n",
        "error[CS604]: a name of the spec belongs here, not a list\n --> names.yaml:1:4\n",
        "`THEIRS: ~`",
    ),
    "a name twice": ("b: left\nb: right\n", "error[CS0", "names.yaml:2:1"),
    "no YAML": ("b: [left\n", "error[CS0", "names.yaml:"),
    "no mapping": (
        "- b\n",
        "error[CS604]: a map of names is a mapping, not a list\n --> names.yaml:1:1\n",
        "`THEIRS: ~`",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_map_is_shown_where_it_is(mistake: str, folder: Path) -> None:
    text, first, more = MISTAKES[mistake]
    (folder / "names.yaml").write_text(text)
    before = sorted(folder.iterdir())
    status, output = run("--map", "names.yaml", "--to", "pytorch", "-o", "ours.pth")
    assert status == 1
    assert output.startswith(first)
    assert more in output
    assert output.endswith("1 error\n")
    assert sorted(folder.iterdir()) == before


def test_a_map_may_say_nothing(folder: Path) -> None:
    (folder / "names.yaml").write_text("# not yet\n\n")
    assert run("--map", "names.yaml") == (0, TABLE)


def test_paths_may_be_written_as_check_shows_them(folder: Path) -> None:
    text = SPEC.replace("kernel: 3}\n    name: stem", "kernel: 3}\n    repeat: 1")
    (folder / "spec.yaml").write_text(text)
    (folder / "names.yaml").write_text("a: conv[0]\n")
    assert "a     8x4x3x3  conv.0      =\n" in run("--map", "names.yaml")[1]


def test_another_number_of_classes_names_its_layer_and_the_remedy(
    folder: Path,
) -> None:
    text = SPEC.replace("units: 3", "units: $classes")
    text = text.replace("name: forked", "name: forked\nvars: {classes: 10}")
    (folder / "spec.yaml").write_text(text)
    (folder / "ours.pth").write_bytes(b"kept")
    assert run("--to", "pytorch", "-o", "ours.pth", "--write-map", "names.yaml") == (
        1,
        "error: theirs.pth does not fit spec.yaml\n"
        "  only in the file: e  weight 3x8, bias 3\n"
        "  only in the spec: dense  weight 10x8, bias 10\n"
        "  help: `--set classes=3` gives the spec the file's size\n",
    )
    assert (folder / "ours.pth").read_bytes() == b"kept"
    assert not (folder / "names.yaml").exists()
    assert run("--set", "classes=3")[0] == 0


def test_a_long_difference_is_cut_short(folder: Path) -> None:
    more = {f"more.{i}.weight": np.zeros((2, 2), np.float32) for i in range(15)}
    save({**STATE, **more}, folder / "theirs.pth")
    status, output = run()
    assert status == 1
    lines = output.splitlines()
    assert lines[1] == "  only in the file: more.0  weight 2x2"
    assert lines[11:] == [
        "  only in the file: 5 more",
        "  help: a layer that the spec does without is left out by `NAME: ~` in --map",
    ]


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_and_counters_do_no_harm(key: str, folder: Path) -> None:
    state = {name: torch.from_numpy(value) for name, value in STATE.items()}
    state["d.num_batches_tracked"] = torch.tensor(7)
    torch.save({"epoch": 3, key: state}, folder / "theirs.pth")
    assert imported()["batch_norm.num_batches_tracked"] == 0


def test_an_order_that_a_file_lacks_is_found_again(folder: Path) -> None:
    save_file(STATE, "theirs.safetensors")
    assert run(source="theirs.safetensors") == (0, TABLE)


def test_a_normalisation_without_scale_and_shift_is_filled_in(folder: Path) -> None:
    kept = {name: v for name, v in STATE.items() if name not in ("d.weight", "d.bias")}
    save(kept, folder / "theirs.pth")
    found = imported()
    assert (found["batch_norm.weight"] == 1).all()
    assert (found["batch_norm.bias"] == 0).all()
    assert np.array_equal(found["batch_norm.running_var"], STATE["d.running_var"])


class Harm:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (Path("harm"),)


def make_unreadable(kind: str) -> None:
    path = Path("theirs.pth")
    whole = path.read_bytes()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("weights")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "objects":
            torch.save({"model": Harm()}, path)
        case "pickle":
            path.write_bytes(pickle.dumps(Harm(), protocol=2))
        case "module":
            torch.save(torch.nn.Linear(2, 2), path)
        case "program":
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
        case "list":
            torch.save([torch.zeros(2)], path)
        case "integers":
            torch.save({"a.weight": torch.tensor([1, 2])}, path)
        case "missing":
            path.unlink()
        case "folder":
            path.unlink()
            path.mkdir()
        case "safetensors":
            save_file(STATE, path)
            path.write_bytes(path.read_bytes()[:-9])
        case "hdf5":
            with h5py.File(path, "w") as file:
                file["numbers"] = [1, 2]
        case "damaged hdf5":
            with h5py.File(path, "w") as file:
                file.attrs["layer_names"] = ["a", "b"]
        case "truncated hdf5":
            with h5py.File(path, "w") as file:
                file["layers/conv2d/vars/0"] = np.zeros((100, 100), np.float32)
            path.write_bytes(path.read_bytes()[:3000])


KINDS = (
    *("empty", "text", "truncated", "objects", "pickle", "module", "program", "list"),
    *("integers", "missing", "folder", "safetensors"),
    *("hdf5", "damaged hdf5", "truncated hdf5"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_holds_no_weights_is_one_clear_line(
    kind: str, folder: Path
) -> None:
    make_unreadable(kind)
    status, output = run("--to", "pytorch", "-o", "ours.safetensors")
    assert status == 1
    assert output.startswith("error: theirs.pth: ")
    assert output.count("\n") == 1
    assert len(output) < 250
    assert not (folder / "ours.safetensors").exists()
    assert not (folder / "harm").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--to", "pytorch"), "--to and -o go together"),
        (("-o", "ours.pth"), "--to and -o go together"),
        (("--to", "keras", "-o", "ours.pth"), "weights for Keras are written as"),
        (("--write-map", "spec.yaml"), "spec.yaml exists already"),
        (("--to", "pytorch", "-o", "theirs.pth"), "would be replaced"),
    ],
)
def test_wrong_use_changes_nothing(
    args: tuple[str, ...], words: str, folder: Path
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    status, output = run(*args)
    assert status == 2
    assert words in output
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_of_keras_is_read_without_a_framework(folder: Path) -> None:
    with h5py.File("theirs.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones((8, 3), np.float32)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from cnnspec.weights.files import form_of\n"
        "from cnnspec.weights.importing.stored import open_stored\n"
        "path = Path('theirs.h5')\n"
        "(group,) = open_stored(path, form_of(path)).groups\n"
        "print(group.name, [m for m in ('torch', 'keras') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "layers/dense []\n"
