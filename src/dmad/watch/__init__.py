"""Cameras watched: events, health, sinks."""
