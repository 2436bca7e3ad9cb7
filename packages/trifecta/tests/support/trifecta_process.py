"""Running the real program in real processes; whatever is started is reaped."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HANG_GUARD_S = 60  # nothing here takes a second; this only keeps a hang from hanging the suite


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process left behind."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one line on standard output."""
        lines = self.out.splitlines()
        assert len(lines) == 1, (self.out, self.err)
        value: dict[str, Any] = json.loads(lines[0])
        return value

    @property
    def names(self) -> list[str]:
        """The qualified names of the symbols."""
        return [symbol["qualname"] for symbol in self.json["symbols"]]


@dataclass(slots=True)
class Trifecta:
    """The program, and one segment that it is asked about."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give an environment without traces of the one that runs the tests."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TRIFECTA_", "PYTHON"))}
        if "PYTHONPATH" in os.environ:
            clean["PYTHONPATH"] = os.environ["PYTHONPATH"]
        return {**clean, **self.env, **(extra or {})}

    def run(self, *args: str, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Answer:
        """Run ``trifecta ARGS`` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "trifecta", *args],
            input=stdin,
            capture_output=True,
            timeout=HANG_GUARD_S,
            env=self.environment(env),
            cwd=self.root if self.root.is_dir() else None,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr.decode())

    def limited(self, descriptors: int, *args: str) -> Answer:
        """Run ``trifecta ARGS`` in the segment with so few file descriptors."""
        command = [sys.executable, "-m", "trifecta", *args]
        done = subprocess.run(
            ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command],
            capture_output=True,
            timeout=HANG_GUARD_S,
            env=self.environment(),
            cwd=self.root,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr.decode())

    @contextlib.contextmanager
    def start(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start ``trifecta ARGS``; kill and reap it at the end of the block."""
        process = subprocess.Popen(
            [sys.executable, "-m", "trifecta", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(env),
            cwd=self.root,
        )
        try:
            with process:
                yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def symbols(self, module: str, *args: str, env: Mapping[str, str] | None = None) -> Answer:
        """Ask for the symbols of *module*, through the persistent cache."""
        uri = f"sym://python/mod/{module}"
        return self.run(
            "ast", "symbols", uri, "--segment", str(self.root), "--persist-cache", *args, env=env
        )

    def search(self, query: str, *args: str, env: Mapping[str, str] | None = None) -> Answer:
        """Search the segment."""
        return self.run(
            "ctx", "search", "--segment", str(self.root), "--query", query, *args, env=env
        )

    @property
    def ast_db(self) -> Path:
        """The symbol cache."""
        return self.root / ".trifecta" / "cache" / f"ast_cache_{self.root.name}.db"

    @property
    def ctx_db(self) -> Path:
        """The search index."""
        return self.root / ".trifecta" / "cache" / f"ctx_index_{self.root.name}.db"

    @property
    def log(self) -> Path:
        """The telemetry."""
        return self.root / "_ctx" / "telemetry" / "events.jsonl"

    def events(self) -> list[dict[str, Any]]:
        """Give the telemetry so far."""
        lines = self.log.read_bytes().split(b"\n") if self.log.exists() else []
        return [json.loads(line) for line in lines if line]

    def commands(self) -> list[str]:
        """Give the names of the events so far."""
        return [event["cmd"] for event in self.events()]

    def event(self, cmd: str) -> dict[str, Any]:
        """Give the one event of that name."""
        found = [event for event in self.events() if event["cmd"] == cmd]
        assert len(found) == 1, self.commands()
        return found[0]

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the segment."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def forget_events(self) -> None:
        """Begin the telemetry anew."""
        self.log.unlink(missing_ok=True)


@contextlib.contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lock file as any other process would."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something at *folder* for a while; PermissionError where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", *options, str(folder)], capture_output=True, timeout=HANG_GUARD_S, check=False
    )
    if done.returncode:
        raise PermissionError(done.stderr.decode().strip())
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], timeout=HANG_GUARD_S, check=True)
