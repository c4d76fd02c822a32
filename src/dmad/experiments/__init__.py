"""The experiments of the paper, and others. Each experiment is a command."""
