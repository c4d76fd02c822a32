"""A worker in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from waiting import until

from dmad.scan.archive import ArchiveSource, identity_of
from dmad.scan.plan import Task
from dmad.scan.settings import JudgeSettings
from dmad.scan.worker import judge_with, work

PARENT = """
import multiprocessing, sys, time
from dmad.scan.worker import prepare_process

def sleep(place):
    prepare_process(3)
    import os
    place.write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")
    time.sleep(60)

if __name__ == "__main__":
    from pathlib import Path
    multiprocessing.get_context("spawn").Process(target=sleep, args=(Path(sys.argv[1]),)).start()
"""


def test_a_worker_ends_with_its_parent(tmp_path):
    script, place = tmp_path / "parent.py", tmp_path / "worker"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script, place])
    until(lambda: place.exists() and place.read_text())
    worker, threads = map(int, place.read_text().split())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not is_running(worker))
    assert threads == 3


def is_running(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_model_is_loaded_once(model, write_film, tmp_path):
    settings = JudgeSettings(str(model), tmp_path / "parts", device="cpu")
    for number in range(2):
        path = str(write_film(tmp_path / f"{number}.mp4", 8, number))
        report = work(settings, Task.of([ArchiveSource(path, *identity_of(path), "gate")]))
        assert report.info.rows == 8
    assert judge_with(settings) is judge_with(settings)
    assert len(os.listdir(tmp_path / "parts")) == 2
