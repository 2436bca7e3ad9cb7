"""What one question costs as a process, in user instructions: bare interpreter = 1.00.

Counts with callgrind (``valgrind``), because instructions spread 0.1 % where time doubles.
Run it with the Python of an environment into which the wheel was installed with compiled files:
``PYTHONDONTWRITEBYTECODE`` and a missing ``.pyc`` add 0.2.  Prints one JSON object.
Usage: startup.py [MODULE…]   (modules of the standard library, each one file)
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = ["json.decoder", "tempfile", "plistlib", "uuid", "trace"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("TRIFECTA_")},
    "PYTHONHASHSEED": "0",
}


def instructions(*command: str) -> int:
    """Count the user instructions of one run."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"expected a count from valgrind, found {done.stderr[-200:]!r}")
    return int(found[1])


def main() -> None:
    """Measure hit, miss and uncached answer of each module."""
    program = str(Path(sys.executable).with_name("trifecta"))
    if shutil.which("valgrind") is None:
        sys.exit("startup.py: expected valgrind on PATH, found none; install it")
    bare = instructions(sys.executable, "-c", "pass")
    report: dict[str, object] = {"python": sys.version.split()[0], "bare_instructions": bare}
    with tempfile.TemporaryDirectory() as folder:
        # making the database happens once and is not what is counted
        Path(folder, "first.py").write_text("")
        first = [program, "ast", "warm", "--segment", folder]
        subprocess.run(first, check=True, capture_output=True, env=ENVIRONMENT)
        for module in sys.argv[1:] or MODULES:
            spec = importlib.util.find_spec(module)
            if spec is None or spec.origin is None:
                sys.exit(f"startup.py: expected a module of the standard library, found {module}")
            target = Path(folder, *module.split(".")).with_suffix(".py")
            target.parent.mkdir(exist_ok=True)
            shutil.copy(spec.origin, target)
            ask = [program, "ast", "symbols", f"sym://python/mod/{module}", "--segment", folder]
            warm = [*ask, "--persist-cache"]
            report[module] = {
                "bytes": target.stat().st_size,
                "no_cache": round(instructions(*ask) / bare, 3),
                "miss": round(instructions(*warm) / bare, 3),
                "hit": round(instructions(*warm) / bare, 3),
            }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
