"""From a saved model to scores: the detector, its backends and its results."""
