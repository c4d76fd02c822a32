"""`dmad watch`: scores live cameras, and sends messages about events, camera health and counts."""
