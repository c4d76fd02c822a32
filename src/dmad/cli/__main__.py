"""`python -m dmad.cli`, as `torchrun` starts it."""

from dmad.cli.main import run_process

run_process()
