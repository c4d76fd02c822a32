"""The form with a bank of normal patches: images of manufactured parts, without a training."""
