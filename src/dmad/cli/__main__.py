"""Runs the command line for `python -m dmad.cli`. `torchrun` needs this form of the command."""

from dmad.cli.main import run_process

run_process()
