"""`dmad watch`: cameras judged live; events, health and counts are sent as messages."""
