"""Pooling to a given extent."""
