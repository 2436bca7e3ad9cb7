"""The worker's side of a campaign on other machines. Standard library only, nothing of soakproof.

It travels by value to workers that know nothing of us: it makes a private environment of the wheels
that came along, and soaks points in it, each a process that is forked from one with everything
loaded (``soakproof points``; the other end of its pipe is in :mod:`soakproof.fleet.point_server`).
"""

from __future__ import annotations

import contextlib
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

__all__ = ["dismiss", "local_directory", "prepare", "soak", "soak_here"]

Servers = dict[str, list["subprocess.Popen[bytes]"]]
"""Name of a parcel → its processes that wait for a point."""


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


def soak(
    folder: str, name: str, spec: Mapping[str, Any], most_bytes: int, servers: Servers
) -> dict[str, Any]:
    """Soak one point in the private environment.

    Args:
        folder: as in :func:`prepare`.
        name: of the parcel.
        spec: the point.
        most_bytes: a kept run that is larger, packed, stays where it is.
        servers: those of this worker; one is taken, or started, and given back.

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
    log.touch()
    waiting = servers.setdefault(name, [])
    server = _taken(waiting) or _server(home, project)
    code = _point(server, {"spec": str(asked), "out": str(out), "log": str(log)})
    if code is None:
        code = _gone(server)
        with log.open("ab") as file:  # what it said itself goes behind what the point said
            file.write(_complaints(home).read_bytes())
    else:
        waiting.append(server)
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

    worker = get_worker()
    servers: Servers = vars(worker).setdefault("soakproof_servers", {})
    for other in servers.keys() - {name}:
        _end(servers[other])
    return soak(folders[worker.address], name, spec, most_bytes, servers)


def dismiss(name: str, dask_worker: Any) -> None:  # noqa: ANN401 - a worker of distributed
    """End what waits for points of a parcel; nobody asks for any more."""
    _end(vars(dask_worker).get("soakproof_servers", {}).get(name, []))


def _taken(waiting: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """Take one that is alive; a worker may have several threads."""
    while True:
        try:
            server = waiting.pop()
        except IndexError:
            return None
        if server.poll() is None:
            return server


def _server(home: Path, project: Path) -> subprocess.Popen[bytes]:
    python = home / "venv" / "bin" / "python"
    with _complaints(home).open("ab") as log:
        return subprocess.Popen(
            [str(python), "-m", "soakproof", "points"],
            cwd=project,
            env={**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,
        )


def _complaints(home: Path) -> Path:
    """Return the file that takes what the servers of this process complain of."""
    return home / f"points-{os.getpid()}.log"


def _point(server: subprocess.Popen[bytes], asked: Mapping[str, str]) -> int | None:
    """Ask for a point and wait for its end; return its exit code; nothing: the server is gone."""
    if server.stdin is None or server.stdout is None:
        raise AssertionError  # it was started with pipes
    try:
        server.stdin.write(json.dumps(dict(asked)).encode() + b"\n")
        server.stdin.flush()
        server.stdout.readline()  # its process id
        return int(json.loads(server.stdout.readline())["code"])
    except (BrokenPipeError, ValueError):
        return None


def _gone(server: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a server that asks for nothing any more."""
    for pipe in (server.stdin, server.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # what it was asked for is still in there
                pipe.close()
    return server.wait()


def _end(waiting: list[subprocess.Popen[bytes]]) -> None:
    while (server := _taken(waiting)) is not None:
        server.communicate()  # it reads the end of its input, and ends


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
