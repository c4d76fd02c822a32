"""Generated data: a street, textures, synthetic anomalies and defects."""
