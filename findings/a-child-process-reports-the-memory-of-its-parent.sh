#!/usr/bin/env bash
# Most expect: in a new process, `resource.getrusage(RUSAGE_SELF).ru_maxrss` is the largest memory
# that this process has used.
# True on Linux: the value survives the start of another program. Python's subprocess (and the method
# "spawn" of multiprocessing) starts a program from a process that still shares the memory of its
# parent. So a child that needs 13 MiB reports 300 MiB if its parent has 300 MiB.
# It matters where the memory of programs is compared: each seems to need at least as much as the
# program that starts them all. `VmHWM` in /proc/self/status counts only the own memory.
set -euo pipefail
python3 - <<'PY'
import subprocess
import sys

CHILD = """
import resource
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, int(line.split()[1]) // 1024)
"""


def reported():
    output = subprocess.check_output([sys.executable, "-c", CHILD], text=True)
    return [int(mebibytes) for mebibytes in output.split()]


small = reported()
ballast = bytearray(b"x") * (300 * 2**20)
large = reported()
print(sys.version.split()[0], "ru_maxrss and VmHWM of a child, in MiB:")
print("parent small:", *small, "  parent above 300 MiB:", *large)
if not (large[0] > 290 and large[1] < 100):
    sys.exit("the behaviour has changed")
PY
