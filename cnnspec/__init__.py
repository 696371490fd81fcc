"""cnnspec: a YAML spec of a convolutional network in; proofs, costs and programs out."""

__version__ = "0.1.0"
