"""PPDM: images of parts."""
