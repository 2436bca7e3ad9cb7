# /// script
# dependencies = ["nox>=2025.10.14"]
# ///
"""The environments: what is installed where, on which Python, and what is started in it.

``nox -l`` is the index.
What the stages of a soak do, and in which order, is not said here: see ``tasks.py``.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
from pathlib import Path
from typing import Final

import nox

HERE: Final = Path(__file__).resolve().parent
PYPROJECT: Final = nox.project.load_toml(HERE / "pyproject.toml")
PYTHONS: Final = nox.project.python_versions(PYPROJECT)
"""What the classifiers promise; CI takes its matrix from here through ``nox --list --json``."""


def free_envdir() -> Path:
    """Return a folder for environments that no other nox of this checkout is using.

    nox empties an environment before it fills it, so a second ``nox -s soak`` would pull the
    programs from under the first.
    The lock is the folder's own and ends with this process, however that ends.
    """
    for number in itertools.count(1):
        folder = HERE / (".nox" if number == 1 else f".nox-{number}")
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            return folder  # the handle stays open on purpose: closing it gives the lock away
    raise AssertionError


def show_pyenv() -> None:
    """Let nox find every interpreter that pyenv keeps.

    A pyenv shim answers only for the versions in use, so the others would count as missing.
    Somebody who set ``PYENV_VERSION`` has chosen already.
    """
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    kept = [path.name for path in root.glob("3.*") if re.fullmatch(r"3\.\d+\.\d+", path.name)]
    wanted = [name for name in kept if name.rpartition(".")[0] in PYTHONS]
    if wanted:
        os.environ.setdefault("PYENV_VERSION", ":".join(sorted(wanted)))


nox.needs_version = ">=2025.10.14"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
# The interpreters that are here are tested; the network is not asked for others.
nox.options.download_python = "never"
# nox makes a missing interpreter an error where CI is set; what CI must have is said in .ci/run,
# which counts the interpreters that were tested and names the skipped ones.
nox.options.error_on_missing_interpreters = False
if __name__ != "__main__":  # nox.main() below imports this file once more
    show_pyenv()
    nox.options.envdir = free_envdir()


@nox.session(default=False, reuse_venv=True, tags=["build"])
def wheels(session: nox.Session) -> None:
    """Build both wheels, once for all sessions that install them."""
    session.install("build", *PYPROJECT["build-system"]["requires"])
    into, fresh = session.cache_dir / "wheels", session.cache_dir / "wheels-fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    for project in (".", "packages/trifecta"):
        build = ("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", str(fresh))
        session.run_install(*build, project, silent=True)
    if fresh.exists():  # nox -R builds nothing, and what was built before stays
        shutil.rmtree(into, ignore_errors=True)
        fresh.rename(into)


def install_wheels(session: nox.Session, *others: str) -> None:
    """Install the wheel files (a folder's name would give uv's cached build of it) and others.

    Bytecode is compiled now: a soak starts hundreds of processes, and none should do it then.
    """
    built = sorted(map(str, (session.cache_dir / "wheels").glob("*.whl")))
    session.install(*built, *others, env={"UV_COMPILE_BYTECODE": "1"})  # pip compiles unasked


# Not uv: pip keeps the SHA-256 of the wheel it installed (PEP 610), uv does not, and the evidence
# says which wheel ran.
@nox.session(default=False, requires=["wheels"], tags=["soak"], venv_backend="virtualenv")
def soak(session: nox.Session) -> None:
    """Soak the cache: clean, run, extract, gate, record (after --: --ops 40 --workers 3 …)."""
    install_wheels(session)
    # After Ctrl-C a soak reaps its processes and leaves a run that can be read: that takes longer
    # than the half second that nox gives.
    session.run("invoke", "soak", *session.posargs, interrupt_timeout=10, terminate_timeout=30)


@nox.session(default=False, requires=["wheels"], tags=["soak"], venv_backend="virtualenv")
def deep(session: nox.Session) -> None:
    """Let faults meet single system calls (after --: --scan kill --max-points 50 …)."""
    install_wheels(session)
    session.run("invoke", "soak.deep", *session.posargs, interrupt_timeout=10, terminate_timeout=30)


@nox.session(python=PYTHONS, requires=["wheels"], tags=["check"])
def tests(session: nox.Session) -> None:
    """Test the installed wheels (after --: arguments for pytest)."""
    install_wheels(session, *nox.project.dependency_groups(PYPROJECT, "test"))
    # A selection may leave one of the two suites without tests (exit code 5).
    codes = [0, 5] if session.posargs else [0]
    for suite in ("tests", "packages/trifecta/tests"):
        which = ("-n", "2", "-m", "not slow", suite)
        session.run("pytest", *which, *session.posargs, success_codes=codes)


@nox.session(default=False, requires=["wheels"], tags=["check"])
def slow(session: nox.Session) -> None:
    """Test what takes whole soaks: faults, any target, libraries, campaigns, the deep tier."""
    install_wheels(session, *nox.project.dependency_groups(PYPROJECT, "slow"))
    session.run("pytest", "-n", "2", "-m", "slow", "tests", *session.posargs)


# Made anew each time: pip would keep an older wheel of the same version.
@nox.session(default=False, requires=["wheels"], tags=["build"])
def harness(session: nox.Session) -> None:
    """Make the environment that soakproof runs in while it soaks tools of other environments."""
    install_wheels(session)


TARGETS: Final = nox.project.load_toml(HERE / "eval" / "matrix.toml")["targets"]
"""Folders in eval/targets/, each with the exact versions of what it needs."""


@nox.session(default=False, requires=["harness"], reuse_venv=True, tags=["soak"], python="3.11")
@nox.parametrize("target", TARGETS, ids=TARGETS)
def matrix(session: nox.Session, target: str) -> None:
    """Ask pinned tools what their caches keep (after --: --promises NAMES, --seed N)."""
    folder = HERE / "eval" / "targets" / target
    if (pins := folder / "requirements.txt").exists():
        session.install("--no-deps", "-r", str(pins))
    search = os.environ.get("PATH", os.defpath)
    if (folder / "package.json").exists():
        modules = Path(session.virtualenv.location) / "npm"
        modules.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(folder / name, modules / name)
        with session.chdir(modules):
            session.run_install("npm", "ci", "--silent", external=True)
        search = os.pathsep.join([str(modules / "node_modules" / ".bin"), search])
    if (pins := folder / "debian.txt").exists():
        need_debian_packages(session, pins.read_text("utf-8").split())
    soakproof = Path(session.virtualenv.location).parent / "harness" / "bin" / "soakproof"
    path = os.pathsep.join([session.bin, search])
    command = (str(soakproof), "matrix", "--only", target, "--jobs", "2", *session.posargs)
    session.run(
        *command,
        external=True,
        env={"PATH": path},
        interrupt_timeout=10,
        terminate_timeout=30,
    )


def need_debian_packages(session: nox.Session, pins: list[str]) -> None:
    """Skip where a package is not installed in the very version: that takes root, and is yours."""
    for pin in pins:
        name, _, wanted = pin.partition("=")
        found = session.run(
            *("dpkg-query", "--show", "--showformat", "${Version}", name),
            external=True,
            silent=True,
            success_codes=[0, 1],
        )
        if found != wanted:
            session.skip(f"expected {pin}, found {found!r}; apt-get install {pin}")


# pip's launcher and compiled files are what a user of the wheel has, so pip installs here, too.
@nox.session(default=False, requires=["wheels"], tags=["bench"], venv_backend="virtualenv")
def bench(session: nox.Session) -> None:
    """Measure trifecta and the harness beside what one would use instead (after --: --quick)."""
    install_wheels(session, *nox.project.dependency_groups(PYPROJECT, "bench", "counting"))
    page = ("--page", str(HERE / "docs" / "performance.md"))
    figures = str(session.cache_dir / "figures.json")
    folders = [HERE / "eval" / "bench", HERE / "packages" / "trifecta" / "bench"]
    env = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    session.run("python", "-m", "speed", *page, "--figures", figures, *session.posargs, env=env)
    session.run("python", "-m", "reach", *page, "--beside", figures, *session.posargs, env=env)


@nox.session(default=False, requires=["wheels"], tags=["bench"], venv_backend="virtualenv")
def counting(session: nox.Session) -> None:
    """Measure `soakproof tally` beside a json loop, jq, DuckDB, Polars (after --: --rounds 3)."""
    install_wheels(session, *nox.project.dependency_groups(PYPROJECT, "counting"))
    page = HERE / "docs" / "performance.md"
    script = "eval/scripts/tally_speed.py"
    session.run("python", script, "--page", str(page), *session.posargs)


@nox.session(default=False, requires=["wheels"], tags=["bench"], venv_backend="virtualenv")
def languages(session: nox.Session) -> None:
    """Hold trifecta's TypeScript, Go and Rust against universal-ctags, on three real packages."""
    wheel = next((session.cache_dir / "wheels").glob("trifecta-*.whl"))
    session.install(f"{wheel}[languages]")
    folder = session.cache_dir / "languages"
    session.run("python", "packages/trifecta/bench/real_languages.py", str(folder))


@nox.session(tags=["check"])
def lint(session: nox.Session) -> None:
    """Lint code, floors (who may import whom), schemas and workflows."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    schemas = sorted(map(str, Path("schemas").glob("*.json")))
    workflows = sorted(map(str, Path(".github/workflows").glob("*.yml")))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", env={"PYTHONPATH": "src:packages/trifecta/src"})
    session.run("check-jsonschema", "--check-metaschema", *schemas)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--no-progress", ".github/workflows")


@nox.session(tags=["check"])
def types(session: nox.Session) -> None:
    """Type-check everything, strictly."""
    groups = nox.project.dependency_groups(PYPROJECT, "test", "type")
    session.install(*PYPROJECT["project"]["dependencies"], *groups)
    session.run("mypy")
    with session.chdir("packages/trifecta"):
        session.run("mypy")


if __name__ == "__main__":
    nox.main()
