"""Changes of the spatial extent without weights: upsampling, padding, cropping."""
