"""Distances to learned or fixed centres."""
