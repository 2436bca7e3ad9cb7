"""A small project in which a library is soaked, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soakproof.rundir import RunDir

__all__ = ["Done", "LibraryProject", "make_library_project"]

CHECKOUT = Path(__file__).resolve().parents[1]
HANG_GUARD_S = 240

CAMPAIGN: dict[str, Any] = {
    "schema_version": 1,
    "name": "library",
    "description": "A small soak of a library.",
    "target": "../targets/library.toml",
    "gate": "../gates/library.toml",
    "defaults": {"ops": 12000, "workers": 2, "seed": 11},
    "kv": {
        "keys": 150,
        "counters": 10,
        "skew": 1.5,
        "value_bytes": [8, 80],
        "depth": 32,
        "cold_ops": 300,
        "warm_ops": 3000,
        "episode_ops": 2000,
        "after_ops": 800,
        "deadline_ms": 20000,
        "mix": {"get": 60, "set": 25, "incr": 8, "delete": 4, "add": 3},
    },
    "sampling": {"interval_ms": 50},
    "faults": [
        {
            "kind": "kill",
            "modes": ["random"],
            "after_ms": [0, 20],
            "after_wal_us": [0, 10],
            "max_hold_ms": 1000,
        }
    ],
}


@dataclass(frozen=True)
class Done:
    """One soak: how it ended, what it printed, and its documents."""

    exit_code: int
    said: str
    run_dir: RunDir
    bundle: Path

    @property
    def metrics(self) -> dict[str, Any]:
        return self._document(self.run_dir.metrics)

    @property
    def verdict(self) -> dict[str, Any]:
        return self._document(self.run_dir.verdict)

    @property
    def plan(self) -> dict[str, Any]:
        return self._document(self.run_dir.plan)

    def asked(self) -> list[list[Any]]:
        """Return every operation that was sent, in the order of the schedule."""
        sent = []
        for text in self.run_dir.history.read_bytes().splitlines():
            line = json.loads(text)
            if line["type"] == "invoke":
                sent += line["ops"]
        return sorted(sent)

    @staticmethod
    def _document(path: Path) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(path.read_bytes())
        return document


@dataclass
class LibraryProject:
    """A folder with one campaign of a library."""

    root: Path

    def campaign(self, **changes: Any) -> None:
        _write_toml(self._at("campaigns"), {**CAMPAIGN, **changes})

    def target(self, **changes: Any) -> None:
        document = tomllib.loads((CHECKOUT / "eval" / "targets" / "sqlite_kv.toml").read_text())
        document["worker"] |= changes
        _write_toml(self._at("targets"), document)

    def gate_without(self, *names: str) -> None:
        document = tomllib.loads((CHECKOUT / "eval" / "gates" / "library.toml").read_text())
        document["criteria"] = [one for one in document["criteria"] if one["id"] not in names]
        _write_toml(self._at("gates"), document)

    def soak(
        self,
        command: str,
        *,
        ops: int = 12000,
        workers: int = 2,
        run_id: str = "soak",
        deadline_ms: int | None = None,
    ) -> Done:
        if deadline_ms is not None:
            self.campaign(kv={**CAMPAIGN["kv"], "deadline_ms": deadline_ms})
        if ops <= CAMPAIGN["kv"]["warm_ops"] + 1300:  # too short for a kill
            self.gate_without("kill_took_effect")
        ran = self.run_cli(
            *("all", "--campaign", "library", "--run-id", run_id, "--ops", str(ops)),
            *("--workers", str(workers), "--target-command", command),
        )
        run_dir = RunDir(self.root / "_ctx" / "runs" / run_id)
        bundle = self.root / "_ctx" / "evidence" / run_id
        return Done(ran.returncode, ran.stdout + ran.stderr, run_dir, bundle)

    def run_cli(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "soakproof", *argv],
            cwd=self.root,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
            timeout=HANG_GUARD_S,
            check=False,
        )

    def _at(self, folder: str) -> Path:
        return self.root / "eval" / folder / "library.toml"


def make_library_project(root: Path) -> LibraryProject:
    for folder in ("campaigns", "targets", "gates"):
        (root / "eval" / folder).mkdir(parents=True)
    project = LibraryProject(root)
    project.campaign()
    project.target()
    project.gate_without()
    return project


def _write_toml(path: Path, document: dict[str, Any]) -> None:
    path.write_text("\n".join(_toml(document)) + "\n", "utf-8")


def _toml(document: dict[str, Any], at: str = "") -> Iterable[str]:
    """Yield TOML of tables, arrays of tables and plain values (JSON spells those alike)."""
    tables = {
        name: value
        for name, value in document.items()
        if isinstance(value, dict) and name != "limit"
    }
    arrays = {
        name: value
        for name, value in document.items()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    }
    for name, value in document.items():
        if name in tables or name in arrays:
            continue
        if isinstance(value, dict):
            inner = ", ".join(f"{key} = {json.dumps(one)}" for key, one in value.items())
            yield f"{name} = {{ {inner} }}"
        else:
            yield f"{name} = {json.dumps(value)}"
    for name, value in tables.items():
        yield f"[{at}{name}]"
        yield from _toml(value, f"{at}{name}.")
    for name, value in arrays.items():
        for item in value:
            yield f"[[{at}{name}]]"
            yield from _toml(item, f"{at}{name}.")
