"""The command line. Each verb, such as `train` in `dmad train`, has a function."""
