"""Inferred graphs enter; the text of PyTorch and Keras programs leaves."""
