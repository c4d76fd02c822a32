"""`dmad serve`: the console in a browser, for cameras and for the inspection of parts."""
