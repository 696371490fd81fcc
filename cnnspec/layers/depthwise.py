"""Convolution channel by channel, and separable convolution."""
