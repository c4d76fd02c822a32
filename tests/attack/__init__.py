"""Random attacks on the files, folders and sinks of dmad: `make attack`."""
