"""Footage and images: finding them, decoding them once, and giving them to a model."""
