"""Files judged: scores, events, pictures and films."""
