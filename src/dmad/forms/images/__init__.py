"""The PPDM form: images of manufactured parts."""
