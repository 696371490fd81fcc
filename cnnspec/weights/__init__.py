"""Weights of a spec: in either framework's names and order, and in files."""
