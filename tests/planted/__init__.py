"""Faults planted in copies of emitted programs, and what `cnnspec verify` says of each."""
