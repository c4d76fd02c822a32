"""A scan whose workers and whose leading process are killed at random moments, and resumed.

`DMAD_KILLS=100 pytest tests/scan/test_kill.py` kills more often.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from waiting import until

KILLS = int(os.environ.get("DMAD_KILLS", "2"))
RATE = ("--workers", "2", "--limit-rate", "60")  # frames per second, so that it takes some seconds
NOTES = "NOTES_OF_THE_TEST"  # environment variable: file with a line for each judgement
# `dmad scan` whose workers note what they judge. A process that `spawn` starts runs this file too.
DRIVER = f"""
import os, sys

def note_judgements():
    import os
    from dmad.scan.judge import Judge
    from dmad.scan.parts import part_path

    def judge_with_notes(self, task):
        if part_path(self.settings.parts, task.name).exists():
            return judge(self, task)
        with open(os.environ["{NOTES}"], "a", buffering=1) as notes:
            notes.write(f"begin {{task.name}}\\n")
            report = judge(self, task)
            notes.write(f"end {{task.name}}\\n")
        return report

    judge, Judge.judge = Judge.judge, judge_with_notes

note_judgements()
if __name__ == "__main__":
    if "--ray" in sys.argv:
        import ray

        ray.init(
            "local", num_cpus=2, include_dashboard=False, log_to_driver=False,
            runtime_env={{"worker_process_setup_hook": note_judgements}},
        )
    from dmad.cli.main import main

    main()
"""


class Scan:
    """A scan in a folder of its own, which is started again and again."""

    def __init__(self, folder: Path, arguments: list[Path]) -> None:
        folder.mkdir()
        self.out, self.notes, self.messages = (
            folder / name for name in ("out", "notes", "messages")
        )
        self.script = folder / "driver.py"
        self.script.write_text(DRIVER)
        self.notes.touch()
        self.arguments = [str(one) for one in arguments]

    def start(self, *engine: str) -> subprocess.Popen:
        is_known = (self.out / "scan.json").exists()
        known = ["--resume", str(self.out)]
        new = [*self.arguments, "--out", str(self.out), "--stretch", "2"]
        command = [sys.executable, self.script, "scan", *(known if is_known else new), *engine]
        environment = {**os.environ, NOTES: str(self.notes)}
        with self.messages.open("a") as messages:
            return subprocess.Popen(command, stdout=messages, stderr=messages, env=environment)

    def wait_for_more(self, judgements: int, driver: subprocess.Popen) -> None:
        """Wait until there are more judgements than this, or until the driver has ended."""
        until(lambda: len(self.judgements()) > judgements or driver.poll() is not None, 120)

    def judgements(self) -> list[tuple[str, str]]:
        """Each `begin` and `end` of a judgement, and the name of its task."""
        return [tuple(line.split()) for line in self.notes.read_text().splitlines()]


def children_of(process: int) -> list[int]:
    """All processes below a process."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = [], [process]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found


def workers_of(driver: int) -> list[int]:
    """The processes below a driver that judge, or that may judge soon."""
    commands = {process: command_of(process) for process in children_of(driver)}
    return [
        process
        for process, command in commands.items()
        if "spawn_main" in command or command.startswith("ray::")
    ]


def command_of(process: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def run_with_kills(scan: Scan, rng: random.Random, most: int, engine: tuple[str, ...]) -> Counter:
    """Finish a scan, and kill its processes at random moments. Return what was killed."""
    killed: Counter[str] = Counter()
    lost_nodes = 0
    while True:
        before = len(scan.judgements())
        driver = scan.start(*engine)
        try:
            if rng.random() < 0.8:  # else it may be killed before something is judged
                scan.wait_for_more(before, driver)
            while killed.total() < most and driver.poll() is None:
                time.sleep(rng.uniform(0, 3))
                if driver.poll() is None:
                    killed[kill_one(driver, rng)] += 1
            code = driver.wait(300)
        finally:
            driver.kill()
            driver.wait()
        # Ray ends a driver with code 1 if the machine is so busy that it takes its node for dead.
        lost_nodes += code == 1
        is_allowed = code in (0, -signal.SIGKILL) or ("--ray" in engine and lost_nodes <= 3)
        assert is_allowed, scan.messages.read_text()
        if code == 0:
            return killed


def kill_one(driver: subprocess.Popen, rng: random.Random) -> str:
    workers = workers_of(driver.pid)
    if workers and rng.random() < 0.5:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(rng.choice(workers), signal.SIGKILL)
        return "worker"
    below = children_of(driver.pid)
    driver.kill()
    driver.wait()
    for process in below:
        if "/ray/" in command_of(process) or command_of(process).startswith("ray::"):
            with suppress(ProcessLookupError):  # a cluster lives on for a minute or longer
                os.kill(process, signal.SIGKILL)
    until(lambda: not any(map(command_of, below)))
    return "driver"


@pytest.fixture
def archives(
    model, trained_images, image_data, write_film, export_run, tmp_path
) -> list[list[Path]]:
    """A model and an archive of films, and one of images. Exported models start faster."""
    for name, run in (("video", model), ("images", trained_images)):
        export_run(run, "onnx", out=tmp_path / name)
    for number, frames in enumerate((40, 40, 150, 40, 40, 40)):
        write_film(tmp_path / "films" / f"{number}.mp4", frames, number)
    return [[tmp_path / "video", tmp_path / "films"], [tmp_path / "images", image_data]]


@pytest.mark.parametrize("engine", [RATE, (*RATE, "--ray", "local")], ids=["processes", "ray"])
def test_a_killed_scan_ends_with_the_results_of_an_undisturbed_one(
    archives, run_scan, tmp_path, engine
):
    if "--ray" in engine:
        pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    rng, killed, scans, whole = random.Random(KILLS), Counter(), 0, {}
    while killed.total() < KILLS:
        kind = scans % len(archives)
        if kind not in whole:
            whole[kind] = run_scan(*archives[kind], f"whole{kind}", stretch=2.0, strongest=100)
        scan = Scan(tmp_path / f"killed{scans}", archives[kind])
        killed += run_with_kills(scan, rng, KILLS - killed.total(), engine)
        assert_same_results(scan.out, whole[kind].folder)
        assert_only_unfinished_judgements_are_repeated(scan)
        scans += 1
    print(f"{dict(killed)} killed in {scans} scans")


def assert_same_results(out: Path, expected: Path) -> None:
    tables = sorted(path.relative_to(expected) for path in expected.glob("scores/*/*.parquet"))
    assert tables == sorted(path.relative_to(out) for path in out.glob("scores/*/*.parquet"))
    for path in [*tables, Path("events.parquet")]:
        assert pq.read_table(out / path).equals(pq.read_table(expected / path)), path
    for folder in ("pictures", "films"):
        names = [sorted(path.name for path in (one / folder).iterdir()) for one in (out, expected)]
        assert names[0] == names[1]
    assert (out / "left_out.csv").read_text() == (expected / "left_out.csv").read_text()
    assert (out / "index.html").exists()
    assert parts_of(out) == parts_of(expected)


def parts_of(out: Path) -> set[str]:
    """The names of the finished tasks of a scan."""
    return {path.stem for path in (out / "parts").glob("*.parquet")}


def assert_only_unfinished_judgements_are_repeated(scan: Scan) -> None:
    finished: set[str] = set()
    for event, task in scan.judgements():
        assert task not in finished, f"{task} is judged again"
        if event == "end":
            finished.add(task)
    assert finished <= parts_of(scan.out)
