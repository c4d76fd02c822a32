"""The one error that is meant for people: what was found, what was expected, what to do."""


class DmadError(Exception):
    """Bad input. The message is one line; the command line prints it and exits with code 2."""


class StoppedError(DmadError):
    """Stopped by hand; says how to go on."""
