"""Names that Keras gives to functions never meet those of layers."""

from __future__ import annotations

import subprocess
import sys

from cnnspec.emit.keras_names import FUNCTIONS, OPERATORS, functions_of, reserved

# In a process of its own: TensorFlow and PyTorch do not live together well.
LIST = """
import importlib, os, pkgutil
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras.src import ops
from keras.src.ops.operation import Operation
from keras.src.utils.naming import to_snake_case
for found in pkgutil.iter_modules(ops.__path__):
    if not found.name.endswith("_test"):
        module = importlib.import_module(f"keras.src.ops.{found.name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, Operation):
                if cls.__module__ == module.__name__:
                    print(to_snake_case(cls.__name__))
"""


def test_every_function_of_keras_is_known_by_its_name() -> None:
    run = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True)
    found = set(run.stdout.split())
    assert len(found) > 200
    assert found <= FUNCTIONS
    assert found >= OPERATORS


def test_functions_are_those_that_are_called_and_those_in_helpers() -> None:
    assert functions_of({"ops.pad", "_own"}, []) == {"pad"}
    assert functions_of({"ops.rms_normalization"}, []) == {"rms_norm"}
    assert functions_of([], ["def _own(x):\n    return ops.tanh(x) * 2"]) == {
        "tanh",
        *OPERATORS,
    }


def test_a_numbered_name_uses_up_all_names_before_it() -> None:
    layers = ["tanh", "conv1", "pad_2", "relu", "stem"]
    assert reserved(layers, {"tanh", "pad"}) == {"tanh": 1, "pad": 3}
