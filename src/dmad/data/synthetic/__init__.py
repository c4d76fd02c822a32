"""Generates data: a street, textures with defects, and anomalies in a user's own data."""
