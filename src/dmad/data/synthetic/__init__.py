"""Generated data: a street, textures with defects, and anomalies made in a user's own data."""
