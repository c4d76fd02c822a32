"""The forms of DMAD: video (PDM) and images (PPDM)."""
