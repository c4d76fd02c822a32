"""Attack dmad with odd and damaged files, kills, full disks and failing receivers.

Each attack is made from a seed. If one finds a fault, the program prints the seed of this attack
and ends with code 1. `--only SEED` repeats it. Faults that were found become tests. Attacked files
are not stored: they may also crash or hang other programs.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack import (
    damaged_files,
    failing_sinks,
    full_disks,
    killed_commands,
    kills,
    odd_images,
)

Attack = Callable[[random.Random, Path], str]  # returns the name of what was attacked

LONGEST = 900  # seconds of one attack, on a slow machine
# Each attack and how often it is made. Damaged files take much less time than the others.
ATTACKS: list[tuple[str, Attack, int]] = [
    ("damaged", damaged_files.attack, 200),
    ("image", odd_images.attack, 40),
    ("kill", kills.attack, 4),
    ("full", full_disks.attack, 8),
    ("sink", failing_sinks.attack, 4),
    ("command", killed_commands.attack, 1),
]


def main() -> None:
    """Attack until the time is over, or until a fault is found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", help="repeat one attack, such as 0-damaged-17")
    given = options.parse_args()
    faulthandler.enable()
    logging.getLogger("dmad").addHandler(logging.NullHandler())
    signal.signal(signal.SIGALRM, _too_long)
    if given.only:
        _make(given.only)
        return
    counts: Counter[str] = Counter()
    end = time.monotonic() + 60 * given.minutes
    number = 0
    while time.monotonic() < end:
        for name, _, times in ATTACKS:
            for _ in range(times):
                if time.monotonic() < end:
                    number += 1
                    counts[_make(f"{given.seed}-{name}-{number}")] += 1
    print(f"no fault in {sum(counts.values())} attacks (seed {given.seed})")
    for name, count in sorted(counts.items()):
        print(f"{count:6} {name}")


def _make(seed: str) -> str:
    """Make one attack in a new folder. A fault ends the program."""
    kind = seed.split("-")[1]
    attack = next(attack for name, attack, _ in ATTACKS if name == kind)
    with TemporaryDirectory() as folder:
        signal.alarm(LONGEST)
        try:
            return attack(random.Random(seed), Path(folder))
        except Exception:
            traceback.print_exc()
            print(f"a fault; repeat it with --only {seed}")
            sys.exit(1)
        finally:
            signal.alarm(0)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"an attack took more than {LONGEST} s")


if __name__ == "__main__":
    main()
