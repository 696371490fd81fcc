"""Learned or fixed factors of whole channels."""
