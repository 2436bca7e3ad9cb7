"""The worker's side of a campaign on other machines. Standard library only, nothing of soakproof.

It travels by value to workers that know nothing of us: it makes a private environment of the wheels
that came along, and soaks points in it, each as a process.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["local_directory", "prepare", "soak", "soak_here"]


def prepare(folder: str, parcel: Mapping[str, Any]) -> dict[str, str]:
    """Make the private environment of this machine, once.

    Args:
        folder: where it may lie.
        parcel: ``name``, ``wheels`` (file name → content), ``project`` (a tar file).

    Returns:
        ``why_not``: why this machine cannot be used, or nothing; ``version``: of soakproof here.
    """
    home = Path(folder) / f"soakproof-{parcel['name']}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers may share a machine and a folder
        try:
            if not (home / "ready").exists():
                _install(home, parcel["wheels"])
                (home / "ready").touch()
            project = home / f"project-{os.getpid()}"
            with tarfile.open(fileobj=io.BytesIO(parcel["project"])) as tar:
                tar.extractall(project, filter="data")
            python = str(home / "venv" / "bin" / "python")
            ask = [python, "-m", "soakproof", "--version"]
            version = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        except subprocess.CalledProcessError as problem:
            words = (problem.stderr or problem.stdout or "it said nothing").strip().splitlines()
            return {"why_not": f"{problem.cmd[1:4]} ended with {problem.returncode}: {words[-1]}"}
        except OSError as problem:
            return {"why_not": f"{type(problem).__name__}: {problem}"}
    return {"why_not": "", "version": version.split()[-1], "python": platform.python_version()}


def soak(folder: str, name: str, spec: Mapping[str, Any], most_bytes: int) -> dict[str, Any]:
    """Soak one point in the private environment.

    Args:
        folder: as in :func:`prepare`.
        name: of the parcel.
        spec: the point.
        most_bytes: a kept run that is larger, packed, stays where it is.

    Returns:
        ``code`` and ``words`` of the process, ``result`` (JSON text or nothing), ``run`` (a packed
        folder or nothing).
    """
    home = Path(folder) / f"soakproof-{name}"
    project = home / f"project-{os.getpid()}"
    room = project / "_ctx" / "points" / spec["point"]
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    asked, out, log = room / "point.json", room / "result.json", room / "point.log"
    asked.write_text(json.dumps(dict(spec)), "utf-8")
    python = home / "venv" / "bin" / "python"
    argv = [str(python), "-m", "soakproof", "point", str(asked), "--out", str(out)]
    env = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with log.open("wb") as file:
        code = subprocess.run(
            argv,
            cwd=project,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        ).returncode
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    result = out.read_text("utf-8") if out.exists() else ""
    run = project / "_ctx" / "runs" / spec["run_id"]
    packed = _packed(run) if run.is_dir() and result else b""
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(room)
    return {
        "code": code,
        "words": lines[-1] if lines else "it said nothing",
        "result": result,
        "run": packed if len(packed) <= most_bytes else b"",
    }


def local_directory(dask_worker: Any) -> str:  # noqa: ANN401 - a worker of distributed
    """Return the folder of a worker."""
    return str(dask_worker.local_directory)


def soak_here(
    folders: Mapping[str, str], name: str, spec: Mapping[str, Any], most_bytes: int
) -> dict[str, Any]:
    """Soak one point on the worker that this runs on: worker → its folder."""
    from distributed import get_worker

    return soak(folders[get_worker().address], name, spec, most_bytes)


def _install(home: Path, wheels: Mapping[str, bytes]) -> None:
    """Make an environment of the wheels, over what the worker's own Python has.

    Ours come first; what they need is taken from the worker where it has it, else installed as the
    worker's pip is configured to.
    """
    files = []
    for name, content in wheels.items():
        files.append(home / name)
        files[-1].write_bytes(content)
    venv = home / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    _run([sys.executable, "-m", "venv", "--without-pip", str(venv)])
    paths = {"base": str(venv), "platbase": str(venv)}
    own = Path(sysconfig.get_path("purelib", "venv", paths))
    (own / "worker.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    pip += ["--python", str(venv / "bin" / "python"), "install"]
    _run([*pip, "--no-deps", "--ignore-installed", *map(str, files)])
    _run([*pip, *map(str, files)])


def _run(argv: list[str]) -> None:
    subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)


def _packed(folder: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return data.getvalue()
