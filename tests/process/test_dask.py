"""Campaigns on a Dask cluster: another host, workers that die, a scheduler that goes away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from soaker import Soaker

from soakproof.errors import SoakError
from soakproof.fleet.dask_engine import Dask
from soakproof.fleet.engine import Task

pytest.importorskip("distributed", reason="dask.distributed is an extra")
pytestmark = [pytest.mark.process, pytest.mark.slow]

Make = Callable[..., Soaker]
HANG_GUARD_S = 300
OURS = os.getpid() % 50_000  # two of these tests may run on one machine
NAMESPACE, CABLE = f"soakproof-{OURS}", f"soak{OURS}"
NETWORK = f"10.{200 + OURS % 50}.{OURS // 200}"
HERE, THERE = f"{NETWORK}.1", f"{NETWORK}.2"


@dataclass
class Host:
    """Where scheduler and workers run: this host, or another one with its own network."""

    address: str
    prefix: tuple[str, ...]
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of Dask's programs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{len(self.started)}.log"
        with log.open("wb") as file:
            argv = [*self.prefix, sys.executable, "-m", "dask", *arguments]
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                env={**os.environ, **self.environ},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def scheduler(self, port: int) -> tuple[str, subprocess.Popen[bytes]]:
        """Start a scheduler; returns its address."""
        flags = ["--host", self.address, "--port", str(port), "--no-dashboard", "--no-show"]
        return f"tcp://{self.address}:{port}", self.start("scheduler", *flags)

    def worker(self, scheduler: str, *flags: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, without anybody who would start it again."""
        local = str(self.folder / f"local-{len(self.started)}")
        common = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", local)
        return self.start("worker", scheduler, "--host", self.address, *common, *flags)

    def close(self) -> None:
        """End all that was started."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ip(*arguments: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Host]:
    """This host."""
    host = Host("127.0.0.1", (), tmp_path / "cluster")
    yield host
    host.close()


BARE = """
import sys

class Nobody:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "soakproof":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

if sys.prefix == PREFIX:
    sys.meta_path.insert(0, Nobody())
"""
"""No soakproof where the cluster's programs run; environments that they make are as they are."""


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Host]:
    """This host, with Dask installed, and without soakproof."""
    folder = tmp_path / "bare"
    folder.mkdir()
    code = BARE.replace("PREFIX", repr(sys.prefix))
    (folder / "sitecustomize.py").write_text(code, "utf-8")
    tried = subprocess.run(
        [sys.executable, "-c", "import distributed; import soakproof"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "No module named 'soakproof'" in tried.stderr
    host = Host("127.0.0.1", (), tmp_path / "cluster", {"PYTHONPATH": str(folder)})
    yield host
    host.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Host]:
    """Another host, as far as the network goes: a namespace of its own and a cable to it."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("a network namespace takes root and ip(8)")
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=False, capture_output=True)
    try:
        ip("netns", "add", NAMESPACE)
        ip(
            "link",
            "add",
            f"{CABLE}a",
            "type",
            "veth",
            "peer",
            "name",
            f"{CABLE}b",
            "netns",
            NAMESPACE,
        )
    except subprocess.CalledProcessError as problem:
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False, capture_output=True)
        pytest.skip(f"no network namespace here: {problem.stderr.decode().strip()}")
    ip("addr", "add", f"{HERE}/24", "dev", f"{CABLE}a")
    ip("link", "set", f"{CABLE}a", "up")
    ip("-n", NAMESPACE, "addr", "add", f"{THERE}/24", "dev", f"{CABLE}b")
    ip("-n", NAMESPACE, "link", "set", f"{CABLE}b", "up")
    ip("-n", NAMESPACE, "link", "set", "lo", "up")
    host = Host(THERE, ("ip", "netns", "exec", NAMESPACE), tmp_path / "cluster")
    yield host
    host.close()
    ip("netns", "del", NAMESPACE)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what is tested: the one that was installed, or one built of the checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    text = metadata.distribution("soakproof").read_text("direct_url.json") or "{}"
    source = Path(unquote(urlsplit(json.loads(text).get("url", "")).path))
    if source.suffix == ".whl" and source.is_file():
        shutil.copy(source, folder)
        return folder
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder)]
    done = subprocess.run([*argv, str(source)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no wheel can be built here: {done.stderr.strip()[-200:]}")
    return folder


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def summary_of(soaker: Soaker) -> dict[str, Any]:
    [folder] = (soaker.root / "_ctx" / "campaigns").iterdir()
    document: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return document


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=HANG_GUARD_S)
    return process.returncode, out + err


def wait_for_points(soaker: Soaker, count: int) -> None:
    until = time.monotonic() + HANG_GUARD_S
    while len(list(soaker.root.glob("_ctx/campaigns/*/points/*.json"))) < count:
        assert time.monotonic() < until
        os.sched_yield()


ASKED = ("campaign", "--campaign", "toy", "--ops", "16", "--sample", "1000000")


def test_another_host_does_the_same_and_a_worker_that_dies_is_replaced(
    soaker: Make, there: Host, wheels: Path
) -> None:
    sound = soaker()
    address, _ = there.scheduler(8786)
    workers = [there.worker(address), there.worker(address)]
    asked = (*ASKED, "--seeds", "1..4", "--engine", "dask", "--scheduler", address)
    running = sound.start(*asked, "--wheels", str(wheels))
    wait_for_points(sound, 1)
    os.killpg(workers[0].pid, signal.SIGKILL)
    code, said = finished(running)

    assert 0 == code, said
    far = summary_of(sound)
    assert {"planned": 4, "done": 4, "cases": 0} == far["points"]
    assert [4] == [machine["points"] for machine in far["machines"]]

    shutil.rmtree(sound.root / "_ctx" / "campaigns")
    assert 0 == sound(*ASKED, "--seeds", "1..4", "--jobs", "2").returncode
    near = summary_of(sound)
    same = ("campaign", "points", "verdicts", "verdict", "criteria", "ops", "failures", "machines")
    assert {name: near[name] for name in same} == {name: far[name] for name in same}


def test_scheduler_and_workers_need_not_have_soakproof(
    soaker: Make, bare: Host, wheels: Path
) -> None:
    sound = soaker()
    address, _ = bare.scheduler(free_port())
    for _ in range(2):
        bare.worker(address)
    asked = (*ASKED, "--seeds", "1..3", "--engine", "dask", "--scheduler", address)
    code, said = finished(sound.start(*asked, "--wheels", str(wheels)))

    assert 0 == code, said
    assert {"PASS": 3, "FAIL": 0, "UNKNOWN": 0} == summary_of(sound)["verdicts"]


@dataclass
class Failed:
    """A future that ended with an error."""

    problem: Exception
    status: str = "error"

    def exception(self) -> Exception:
        return self.problem


def test_an_error_of_the_cluster_is_no_verdict_about_a_point() -> None:
    import distributed

    said = {"__init__": lambda _: None, "__str__": lambda _: "seed-1"}  # it names no worker
    killed = type("Killed", (distributed.KilledWorker,), said)()
    engine = Dask.__new__(Dask)  # no cluster is asked for anything
    engine._distributed, engine._address = distributed, "tcp://10.0.0.1:8786"
    task = Task("seed-1", {})

    answered = engine._answered(task, Failed(killed))
    assert (None, "Killed: seed-1") == (answered.result, answered.why_not)
    with pytest.raises(
        SoakError, match=r"10.0.0.1:8786 cannot soak: RuntimeError: two lines; what"
    ):
        engine._answered(task, Failed(RuntimeError("two\n  lines")))


def test_a_failing_run_comes_home(soaker: Make, here: Host, wheels: Path) -> None:
    broken = soaker("fickle")
    address, _ = here.scheduler(free_port())
    here.worker(address)
    asked = (*ASKED, "--seeds", "1", "--engine", "dask", "--scheduler", address)
    code, said = finished(broken.start(*asked, "--wheels", str(wheels)))

    assert 10 == code, said
    [group] = [one for one in summary_of(broken)["failures"] if one["criterion"] == "answers_agree"]
    run = broken.root / "_ctx" / "runs" / group["run"]
    assert (run / "history.jsonl").exists()
    assert (run / "report.html").exists()


def test_a_scheduler_that_goes_away_and_comes_back_is_survived(
    soaker: Make, here: Host, wheels: Path
) -> None:
    sound = soaker()
    port = free_port()
    address, scheduler = here.scheduler(port)
    here.worker(address)
    asked = (*ASKED, "--seeds", "1..4", "--engine", "dask", "--scheduler", address)
    running = sound.start(*asked, "--wheels", str(wheels))
    wait_for_points(sound, 1)
    os.killpg(scheduler.pid, signal.SIGKILL)
    here.close()
    before = {path: path.read_bytes() for path in sound.root.glob("_ctx/campaigns/*/points/*")}
    here.scheduler(port)
    here.worker(address)
    code, said = finished(running)

    assert 0 == code, said
    assert "went away" in said
    assert {"planned": 4, "done": 4, "cases": 0} == summary_of(sound)["points"]
    assert before == {path: path.read_bytes() for path in before}


def test_a_worker_with_another_soakproof_is_refused_with_the_reason(
    soaker: Make, here: Host, wheels: Path, tmp_path: Path
) -> None:
    sound = soaker()
    address, _ = here.scheduler(free_port())
    here.worker(address)
    old = tmp_path / "old"
    other_version(next(wheels.glob("*.whl")), old, "0.0.9")
    asked = (*ASKED, "--seeds", "1", "--engine", "dask", "--scheduler", address)
    code, said = finished(sound.start(*asked, "--wheels", str(old)))

    assert 2 == code, said
    version = metadata.version("soakproof")
    assert f"expected soakproof {version}, found 0.0.9" in said.strip().splitlines()[-1]


def other_version(wheel: Path, folder: Path, version: str) -> None:
    """Write a wheel again as if it were of another version."""
    folder.mkdir()
    mine = metadata.version("soakproof")
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(folder / wheel.name.replace(mine, version), "w") as new,
    ):
        for item in old.infolist():
            content = old.read(item)
            if item.filename.endswith("/METADATA"):
                content = content.replace(
                    f"Version: {mine}".encode(), f"Version: {version}".encode()
                )
            if item.filename == "soakproof/__init__.py":
                content = content.replace(f'"{mine}"'.encode(), f'"{version}"'.encode())
            if item.filename.endswith("/RECORD"):  # hashes of what was changed; pip need not check
                lines = content.decode().replace(f"-{mine}.", f"-{version}.").splitlines()
                content = "\n".join(f"{line.split(',')[0]},," for line in lines).encode()
            new.writestr(item.filename.replace(f"-{mine}.", f"-{version}."), content)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--engine", "dask", "--scheduler", "tcp://127.0.0.1:9"), "--scheduler: expected a Dask"),
        (("--engine", "ray"), "--engine: expected local or dask"),
        (("--scheduler", "tcp://127.0.0.1:9"), "--scheduler: expected --engine dask"),
    ],
)
def test_what_cannot_be_reached_is_one_clear_line(
    soaker: Make, wheels: Path, flags: tuple[str, ...], words: str
) -> None:
    given = (*flags, "--wheels", str(wheels)) if "dask" in flags else flags
    done = soaker()(*ASKED, "--seeds", "1", *given)

    assert 2 == done.returncode
    assert words in done.stderr.strip().splitlines()[-1]
