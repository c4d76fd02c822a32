"""Two processes never write into one folder, and files of killed processes are removed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dmad.errors import DmadError
from dmad.files import unfinished_path
from dmad.locks import LOCK, locked

HOLD = """
import sys, time
from pathlib import Path
from dmad.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that locks a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_locked_folder_is_refused_and_the_process_is_named(tmp_path) -> None:
    process = hold(tmp_path / "out")
    try:
        expected = rf"out is in use by process {process.pid} on \S+ since \d{{4}}-.*; wait for it"
        with pytest.raises(DmadError, match=expected), locked(tmp_path / "out"):
            pass
    finally:
        process.kill()
        process.communicate()
    with locked(tmp_path / "out"):  # a killed process holds no lock
        pass


def test_a_lock_ends_with_its_block_also_after_an_error(tmp_path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path):
            raise KeyError


def test_locks_of_other_names_are_other_locks(tmp_path) -> None:
    with locked(tmp_path), locked(tmp_path, ".other.lock"):
        assert {path.name for path in tmp_path.iterdir()} == {LOCK, ".other.lock"}


def test_a_lock_is_not_written_through_a_link(tmp_path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK).symlink_to(outside)
    with pytest.raises(DmadError, match="is a link"), locked(tmp_path / "out"):
        pass
    assert outside.read_text() == "precious"


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path) -> None:
    code = (
        "import os, sys, pathlib, dmad.files as files\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "files.unfinished_path(folder, '.mp4').touch()\n"
        "files.unfinished_path(folder).mkdir()\n"
        "os.kill(os.getpid(), 9)"
    )
    stopped = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert stopped.returncode == -signal.SIGKILL
    kept = [unfinished_path(tmp_path), tmp_path / ".dmad-other-1-00000000.part"]
    kept += [tmp_path / name for name in (".a.json.1.part", "film.part.mp4", "a.part")]
    for path in kept:  # of this process, of another machine, and of other programs
        path.touch()
    assert len(list(tmp_path.iterdir())) == len(kept) + 2
    with locked(tmp_path):
        assert set(tmp_path.iterdir()) == {*kept, tmp_path / LOCK}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(DmadError, match="no permission"), locked(tmp_path / "out"):
        pass
