"""The same numbers in another order: reshape, permute, pixels and channels shuffled."""
