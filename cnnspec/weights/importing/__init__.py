"""Weights of other programs: a file and a spec enter, the spec's weights leave."""
