"""Where a layer's tensors of PyTorch go in Keras: `LAYOUTS` by operation.

Each module of this package holds `LAYOUTS`: the operation's name to a function
`(tensors by name, fields of the layer) -> {attribute of the Keras layer: array}`; an attribute
may have dots, and begin with the name of a part of the layer. Several such mappings in a list are
tried in turn, for an operation that is one Keras layer or several. An array with fewer axes than
its variable is reshaped. An operation without one has kernels (O, I, spatial...) and vectors.
"""

import importlib
import pkgutil

LAYOUTS = {}
for _found in pkgutil.iter_modules(__path__):
    LAYOUTS |= importlib.import_module(f"{__name__}.{_found.name}").LAYOUTS
