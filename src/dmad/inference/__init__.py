"""From a saved model to results: the detector, its sources and what it writes."""
