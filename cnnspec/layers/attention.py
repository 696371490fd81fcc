"""Attention between the positions of sequences."""
