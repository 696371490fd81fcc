"""Transposed convolution: maps enter, larger maps leave."""
