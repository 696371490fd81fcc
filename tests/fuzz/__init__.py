"""Differential fuzzing: random specs, and whether check, schema and both models agree on them.

docs/fuzzing.md says how it is run and what it holds equal.
"""
