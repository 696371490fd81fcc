"""Measurements of `cnnspec check`; `make bench` runs them."""
