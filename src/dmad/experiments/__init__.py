"""The experiments of the paper. Each experiment is a command."""
