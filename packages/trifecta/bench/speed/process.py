"""What one process costs: CPU by the kernel's account, instructions by a counter."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

ENVIRONMENT = {
    **{
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRIFECTA_", "PYTHON"))
    },
    "PYTHONHASHSEED": "0",
}
"""What measured processes see; above all not ``PYTHONDONTWRITEBYTECODE``."""

Command = list[str]
Counter = Callable[[Command], int]


class MeasurementError(Exception):
    """A measured process did not do what it should."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    cpu_s: float
    wall_s: float


def run(command: Command, *, codes: tuple[int, ...] = (0,)) -> Cost:
    """Run *command* with its output thrown away."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        duplicates = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
        started = time.perf_counter()
        pid = os.posix_spawn(command[0], command, ENVIRONMENT, file_actions=duplicates)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - started
    finally:
        os.close(null)
    code = os.waitstatus_to_exitcode(status)
    if code not in codes:
        raise MeasurementError(f"expected exit code {codes}, found {code}: {' '.join(command)}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def peak_kib(command: Command) -> int:
    """Give the largest resident set of *command*.

    A process inherits the peak of whoever started it, so a small launcher stands in between.
    """
    launcher = (
        "import os,sys;n=os.open(os.devnull,os.O_RDWR);a=sys.argv[1:];"
        "p=os.posix_spawn(a[0],a,os.environ,file_actions=[(os.POSIX_SPAWN_DUP2,n,s)for s in(1,2)]);"
        "print(os.wait4(p,0)[2].ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-ISc", launcher, *command],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def counters() -> tuple[str, Counter | None]:
    """Give the name of what counts user instructions on this machine, and how to ask it."""
    candidates = (("perf stat -e instructions:u", _perf), ("valgrind --tool=callgrind", _callgrind))
    for name, counter in candidates:
        if shutil.which(name.split()[0]) is None:
            continue
        try:
            counter([sys.executable, "-ISc", "pass"])
        except MeasurementError:
            continue
        return name, counter
    return "none here (neither perf_event nor valgrind)", None


def _perf(command: Command) -> int:
    wrapped = ["perf", "stat", "-x,", "-e", "instructions:u", *command]
    return _counted(wrapped, r"^(\d+),[^,]*,instructions:u")


def _callgrind(command: Command) -> int:
    wrapped = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]
    return _counted(wrapped, r"Collected : (\d+)")


def _counted(command: Command, pattern: str) -> int:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    talk = done.stderr.decode("utf-8", "replace")
    found = re.search(pattern, talk, re.MULTILINE)
    if found is None or done.returncode:
        raise MeasurementError(f"expected a count, found code {done.returncode}: {talk[-300:]!r}")
    return int(found[1])
