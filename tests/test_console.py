"""Messages, progress bars and tables, as a person sees them."""

import errno
import io
import logging
import subprocess
import sys

import pytest

from dmad.console import (
    ConsoleHandler,
    only_errors_of,
    printable,
    progress_bar,
    set_up_logging,
    show_table,
    warn_about,
)

logger = logging.getLogger("dmad.some.module")


@pytest.fixture
def command_line():
    """Messages shown as on the command line, until the test ends."""
    package = logging.getLogger("dmad")
    handlers, level = list(package.handlers), package.level
    set_up_logging()
    yield
    package.handlers, package.level = handlers, level
    logging.getLogger("dmad").setLevel(level)


@pytest.fixture
def terminal(monkeypatch):
    """Output as to a terminal of 40 columns."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")


def test_warnings_are_notes_and_other_messages_are_as_they_are(command_line, capsys):
    logger.warning("one frame is damaged")
    logger.info("epoch 1/2")
    logger.debug("not shown")
    assert capsys.readouterr() == ("", "note: one frame is damaged\nepoch 1/2\n")


def test_a_message_is_one_line_whatever_its_length_and_brackets(command_line, terminal, capsys):
    message = "[bold]a file :smile: with [brackets].png " + "x" * 200
    logger.warning(message)
    assert capsys.readouterr().err == f"note: {message}\n"


def test_setting_up_twice_shows_messages_once(command_line, capsys):
    set_up_logging()
    logger.info("once")
    assert capsys.readouterr().err == "once\n"


def test_the_first_ten_notes_are_logged_and_the_others_counted(caplog):
    warn_about([f"note {number}" for number in range(13)], logger)
    assert caplog.messages == [*(f"note {number}" for number in range(10)), "and 3 more such lines"]
    caplog.clear()
    warn_about(["alone"], logger)
    assert caplog.messages == ["alone"]


def test_another_package_may_be_silenced_for_a_while(caplog):
    other = logging.getLogger("other_package.module")
    with only_errors_of("other_package"):
        other.warning("advice")
        other.error("failure")
    other.warning("again")
    assert caplog.messages == ["failure", "again"]


def test_a_bar_is_shown_in_a_terminal_of_the_command_line(command_line, terminal, capsys):
    assert list(progress_bar(range(3), "scoring")) == [0, 1, 2]
    assert "scoring" in capsys.readouterr().err


def test_no_bar_is_shown_in_a_file_or_by_the_library_alone(command_line, capsys, monkeypatch):
    assert list(progress_bar(range(3), "scoring")) == [0, 1, 2]
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    logging.getLogger("dmad").setLevel(logging.WARNING)
    assert list(progress_bar(iter(range(3)), "scoring", 3)) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_table_is_not_cut_off_and_brackets_are_kept(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    rows = [["grad[bold]", "0.1234567890"], ["score", "0.9876543210"]]
    show_table("results [of all]", ["signal", "micro-averaged"], rows, ["see [docs]"])
    out = capsys.readouterr().out
    for text in ("results [of all]", "grad[bold]", "micro-averaged", "0.9876543210", "see [docs]"):
        assert text in out


def test_the_library_shows_nothing_by_itself():
    code = "import logging, dmad.console; logging.getLogger('dmad.x').info('not shown')"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (child.stdout, child.stderr) == (b"", b"")


def test_control_characters_are_written_as_codes() -> None:
    assert printable("a\x1b[2Jb\tc\x00\x9b") == r"a\x1b[2Jb\tc\x00\x9b"
    assert printable("a b\nßü日\udce9") == "a b\nßü日\udce9"


class FullDisk(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_message_that_cannot_be_written_is_lost_without_an_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", FullDisk())
    record = logging.LogRecord("dmad", logging.WARNING, "", 0, "hello", None, None)
    ConsoleHandler().emit(record)
