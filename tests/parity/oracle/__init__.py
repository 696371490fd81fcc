"""What each operation means, said once more in plain torch: `EVALUATE` by operation.

Each module of this package holds `EVALUATE`: the operation's name to a function
`(node, own, xs, learns) -> [the value of each port]`.

Args of such a function:
    node: {"op", "values" (the fields), "layouts" (of each input: maps, vector, …)}.
    own: the layer's tensors by name, as in PyTorch's state dict.
    xs: the inputs with the batch, channels first; sequences are (N, L, F).
    learns: whether the layer is in training.
"""

import importlib
import pkgutil

EVALUATE = {}
for _found in pkgutil.iter_modules(__path__):
    EVALUATE |= importlib.import_module(f"{__name__}.{_found.name}").EVALUATE
