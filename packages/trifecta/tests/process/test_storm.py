"""Many processes, edits, lock holders, kills and damage at once: never a wrong answer."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from storm_worker import MODULES, content
from trifecta_process import Trifecta, held

WORKERS = 8
OPERATIONS = 500
WORKER = Path(__file__).parent.parent / "support" / "storm_worker.py"


@contextlib.contextmanager
def going_on(*loops: Callable[[random.Random], None], seed: int) -> Iterator[threading.Event]:
    """Run each loop again and again in a thread of its own until the block ends."""
    stop = threading.Event()
    trouble: list[BaseException] = []

    def run(loop: Callable[[random.Random], None], rng: random.Random) -> None:
        try:
            while not stop.is_set():
                loop(rng)
        except BaseException as problem:  # noqa: BLE001 - shown by the test that started us
            trouble.append(problem)

    threads = [
        threading.Thread(target=run, args=(loop, random.Random(seed + number)))  # noqa: S311
        for number, loop in enumerate(loops)
    ]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert trouble == []


class Storm:
    """What disturbs the workers."""

    def __init__(self, trifecta: Trifecta, state: Path) -> None:
        self.trifecta = trifecta
        self.state = state
        self.versions = [0] * MODULES
        self.pause = threading.Event()
        state.mkdir()
        for module in range(MODULES):
            trifecta.write(f"m{module:02d}.py", content(module, 0))
            self.note("intent", module, 0)
            self.note("done", module, 0)

    def note(self, kind: str, module: int, version: int) -> None:
        scratch = self.state / f"{kind}{module}.new"
        scratch.write_text(str(version))
        scratch.replace(self.state / f"{kind}{module}")

    def rewrite(self, rng: random.Random) -> None:
        """Give a module its next version: same size, same time, renamed or in place."""
        module = rng.randrange(MODULES)
        version = self.versions[module] = self.versions[module] + 1
        path = self.trifecta.root / f"m{module:02d}.py"
        stamp = path.stat()
        self.note("intent", module, version)
        if rng.random() < 0.5:
            scratch = path.with_suffix(".new")
            scratch.write_text(content(module, version))
            os.utime(scratch, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            scratch.replace(path)
        else:
            with path.open("r+b", buffering=0) as handle:
                handle.write(content(module, version).encode())
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        self.note("done", module, version)
        self.pause.wait(0.01)

    def hold(self, rng: random.Random) -> None:
        """Hold the cache's lock for a moment, sometimes beyond the deadline."""
        with held(self.trifecta.ast_db.with_name(self.trifecta.ast_db.name + ".lock")):
            self.pause.wait(rng.choice([0.02, 0.05, 0.4]))
        self.pause.wait(0.1)

    def kill(self, rng: random.Random) -> None:
        """Start a program that writes, and kill it wherever it is."""
        with self.trifecta.start("ast", "warm", "--jobs", "1") as process:
            self.pause.wait(rng.uniform(0.01, 0.2))
            process.send_signal(signal.SIGKILL)
        self.pause.wait(0.2)

    def damage(self, rng: random.Random) -> None:
        """Spoil the database in one of the ways that are seen in the field."""
        database = self.trifecta.ast_db
        with contextlib.suppress(FileNotFoundError):
            size = database.stat().st_size
            with database.open("r+b", buffering=0) as handle:
                match rng.randrange(5):
                    case 0:
                        handle.write(rng.randbytes(200))
                    case 1:
                        handle.truncate(size // 2)
                    case 2:
                        handle.truncate(0)
                    case 3:
                        handle.seek(rng.randrange(max(size, 1)))
                        handle.write(rng.randbytes(64))
                    case _:
                        database.unlink()
        self.pause.wait(0.5)


def test_no_wrong_answer_in_a_storm(trifecta: Trifecta, tmp_path: Path) -> None:
    trifecta.env["TRIFECTA_LOCK_TIMEOUT_MS"] = "250"
    state = tmp_path / "state"
    storm = Storm(trifecta, state)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        with going_on(storm.rewrite, storm.hold, storm.kill, storm.damage, seed=7):
            for number in range(WORKERS):
                arguments = [str(trifecta.root), str(state), str(number), str(OPERATIONS)]
                workers.append(
                    subprocess.Popen(
                        [sys.executable, str(WORKER), *arguments],
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        env=trifecta.environment(),
                    )
                )
            outputs = [worker.communicate(timeout=600) for worker in workers]
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.communicate()

    events: Counter[str] = Counter()
    for worker, (out, err) in zip(workers, outputs, strict=True):
        assert (worker.returncode, err.decode()) == (0, "")
        summary = json.loads(out)
        assert summary["wrong"] == []
        assert summary["exits"] == 0
        assert summary["stats"]["hits"] + summary["stats"]["misses"] > 0
        events.update(summary["events"])
    events.update(name.removeprefix("ast.cache.") for name in readable_commands(trifecta))
    for name in ("hit", "miss", "write"):
        assert events[name] > 0, events
    assert events["lock_wait"] + events["lock_timeout"] > 0, events
    # the last blow; without the log, or SQLite would restore the whole small database from it
    Path(f"{trifecta.ast_db}-wal").unlink(missing_ok=True)
    trifecta.ast_db.write_bytes(b"not a database any more")
    assert trifecta.run("ast", "warm").json["written"] == MODULES + 1
    assert "ast.cache.recovered" in readable_commands(trifecta)
    with contextlib.closing(sqlite3.connect(trifecta.ast_db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert len(list(trifecta.ast_db.parent.glob("*.damaged-*[0-9]"))) <= 3


def readable_commands(trifecta: Trifecta) -> Iterator[str]:
    """Give the events' names; a line may be torn by a kill, but never glued to another."""
    for line in trifecta.log.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            if line:
                yield json.loads(line)["cmd"]
