"""Tokens enter, a sequence of learned vectors leaves."""
