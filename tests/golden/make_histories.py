"""Write the golden histories: for each criterion one that passes, one that fails, one unknown.

``python tests/golden/make_histories.py`` writes ``histories/<criterion>.<verdict>.json`` anew; a
test holds the files against this program, and the pipeline's verdict against the file's name.

The run they are all made of: ten modules asked cold and again warm, an episode that edits the first
module from version a to version b while the cache's lock is held, and three keys asked twice after.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["CASES", "HERE", "base", "document"]

HERE = Path(__file__).parent / "histories"

Run = dict[str, Any]
Line = dict[str, Any]

MS = 1_000_000
A, B, RIGHT, NEW, ODD = ("a" * 64, "b" * 64, "1" * 64, "2" * 64, "9" * 64)


class Recorder:
    """Makes the lines of a run, one operation after the other."""

    def __init__(self) -> None:
        self.run: Run = {"history": [], "telemetry": [], "samples": [], "expected": []}
        self.now = 0
        self.count = 0

    def say(self, line_type: str, /, **fields: object) -> None:
        self.now += MS
        line = {"seq": 0, "type": line_type, "mono_ns": self.now}
        self.run["history"].append({**line, **fields})

    def ask(self, phase: str, key: str, answer: str, *events: str, **more: object) -> None:
        op = f"op-{self.count:06d}"
        where = {"op": op, "index": self.count, "worker": 0, "kind": "toy.get"}
        self.count += 1
        self.say("invoke", **where, key=key, phase=phase, **more)
        self.say(
            "ok",
            **where,
            pid=100,
            exit_code=0,
            wall_ms=1.0,
            answer_sha256=answer,
            answer_bytes=9,
            stderr_bytes=0,
        )
        told = [*events, "toy.get"]
        for number, cmd in enumerate(told, 1):
            x = {"op": op, "seq": number, "pid": 100, "mono_ns": self.now}
            if number == len(told):
                x["events"] = len(told)
            result = {"waited_ms": 0.5, "for": "file_lock"} if cmd == "cache.lock_wait" else {}
            self.run["telemetry"].append(
                {
                    "ts": "2026-01-01T00:00:00Z",
                    "run_id": "golden",
                    "segment_id": "segment",
                    "cmd": cmd,
                    "result": result,
                    "x": x,
                }
            )


def base() -> Run:
    """Return the sound run."""
    made = Recorder()
    made.say("run", event="begin", schema_version=1, run_id="golden", plan_sha256="0" * 64)
    keys = [f"m{number}" for number in range(10)]
    for key in keys:
        made.ask("cold", key, RIGHT, "cache.miss", "cache.write")
    for key in keys:
        made.ask("warm", key, RIGHT, "cache.hit")
    fault = {"fault": "lock_hold-0", "kind": "lock_hold", "index": 20, "episode": 0}
    made.say("fault", event="fired", **fault)
    made.say("fault", event="took_effect", **fault, detail={"op": "op-000020"})
    edit = {"edit": "edit-0", "kind": "rename_over", "key": "m0", "path": "m0.py"}
    made.say("edit", event="initial", version=A, **edit)
    made.say("edit", event="begin", version=B, **edit, detail={"atomic": True})
    made.say("edit", event="end", version=B, **edit, detail={"atomic": True})
    for key in ("m0", "m1", "m2", "m0", "m3", "m4"):
        answer = NEW if key == "m0" else RIGHT
        made.ask("storm", key, answer, "cache.miss", "cache.lock_wait", "cache.write", episode=0)
    made.say("fault", event="healed", **fault, detail={"why": "done"})
    for again in (1, 2):
        for key in ("m0", "m1", "m2"):
            answer = NEW if key == "m0" else RIGHT
            made.ask("after", key, answer, "cache.hit", episode=0, again=again)
    probe = {"file": "toy.db", "role": "database", "result": "ok", "db_bytes": 4096, "tables": {}}
    made.say("probe", kind="integrity", detail=probe)
    made.say("probe", kind="leftovers", detail={"processes": 0, "files": []})
    made.say("run", event="end")
    run = made.run
    run["samples"] = [
        {
            "mono_ns": MS,
            "ops_done": 1,
            "bytes_by_role": {"database": 4096, "other": 0},
            "files_by_role": {"database": 1, "other": 0},
        }
    ]
    versions = [("m0", A, RIGHT), ("m0", B, NEW), *((key, "original", RIGHT) for key in keys[1:])]
    run["expected"] = [
        {
            "kind": "toy.get",
            "key": key,
            "version": version,
            "exit_code": 0,
            "answer_sha256": answer,
            "answer_bytes": 9,
        }
        for key, version, answer in versions
    ]
    return run


def lines(run: Run, **wanted: object) -> list[Line]:
    """Return the history's lines whose fields have these values."""
    return [one for one in run["history"] if all(one.get(k) == v for k, v in wanted.items())]


def completion(run: Run, op: int) -> Line:
    """Return the completion of an operation."""
    found = [one for one in lines(run, op=f"op-{op:06d}") if one["type"] != "invoke"]
    return found[0]


def events(run: Run, **wanted: object) -> list[Line]:
    """Return the events whose fields have these values."""
    return [one for one in run["telemetry"] if all(one.get(k) == v for k, v in wanted.items())]


Change = Callable[[Run], None]


def without(*, history: Callable[[Line], bool] | None = None, telemetry: str = "") -> Change:
    """Take lines out, and number the history anew."""

    def change(run: Run) -> None:
        if history is not None:
            run["history"] = [one for one in run["history"] if not history(one)]
        if telemetry:
            run["telemetry"] = [one for one in run["telemetry"] if one["cmd"] != telemetry]

    return change


def ends(op: int, kind: str, **fields: object) -> Change:
    """End an operation otherwise, and take its events away."""

    def change(run: Run) -> None:
        line = completion(run, op)
        line.update({"type": kind, **fields})
        for name in [name for name, value in fields.items() if value is None]:
            del line[name]
        run["telemetry"] = [one for one in run["telemetry"] if one["x"]["op"] != line["op"]]

    return change


def answers(op: int, answer: str) -> Change:
    """Let an operation answer otherwise."""
    return lambda run: completion(run, op).update(answer_sha256=answer)


def no_telemetry(run: Run) -> None:
    """Leave no telemetry at all."""
    run["telemetry"] = []


def no_operations(run: Run) -> None:
    """Leave a history that begins and ends."""
    run["history"] = [run["history"][0], run["history"][-1]]
    run["telemetry"] = []


def no_oracle(run: Run) -> None:
    """Leave the oracle unasked."""
    run["expected"] = None


def hole(run: Run) -> None:
    """Take a line out of the history and keep its numbers."""
    run["hole"] = 5


def unfinished(run: Run) -> None:
    """End as a killed harness does."""
    run["history"].pop()


def killed_before_the_last(run: Run) -> None:
    """End as a harness does that was killed before the last operation."""
    run["history"] = [one for one in run["history"] if one.get("op") != "op-000031"][:-1]


def rename(old: str, new: str, **wanted: object) -> Change:
    """Call some events otherwise."""

    def change(run: Run) -> None:
        for one in events(run, cmd=old, **wanted):
            one["cmd"] = new

    return change


def last_event(**changes: object) -> Change:
    """Add the run's last event once more, changed."""

    def change(run: Run) -> None:
        event = copy.deepcopy(run["telemetry"][-1])
        for name, value in changes.items():
            if isinstance(value, dict):
                event[name].update(value)
            else:
                event[name] = value
        run["telemetry"].append(event)

    return change


def of_phase(phase: str) -> Callable[[Line], bool]:
    """Say whether a line belongs to a phase, by the operations of the sound run."""
    run = base()
    ops = {one["op"] for one in lines(run, type="invoke") if one["phase"] == phase}
    return lambda line: line.get("op") in ops


def without_phase(phase: str) -> Change:
    """Take a whole phase out, its telemetry too."""
    belongs = of_phase(phase)

    def change(run: Run) -> None:
        run["history"] = [one for one in run["history"] if not belongs(one)]
        run["telemetry"] = [one for one in run["telemetry"] if not belongs(one["x"])]

    return change


def sound(_run: Run) -> None:
    """Change nothing."""


def probe(kind: str, **detail: object) -> Change:
    """Let a probe have seen something else."""
    return lambda run: lines(run, type="probe", kind=kind)[0]["detail"].update(detail)


def no_probe(kind: str) -> Change:
    """Leave out a probe."""
    return without(history=lambda line: line["type"] == "probe" and line["kind"] == kind)


def huge(run: Run) -> None:
    """Let the cache end with a gigabyte."""
    run["samples"][-1]["bytes_by_role"]["database"] = 2**30


def two_timeouts(run: Run) -> None:
    """Let two writers have given up."""
    for one in events(run, cmd="cache.lock_wait")[:2]:
        one["cmd"] = "cache.lock_timeout"


def all_calm_odd(run: Run) -> None:
    """Let the tool differ from the oracle before any fault."""
    for op in range(20):
        completion(run, op)["answer_sha256"] = ODD


def no_samples(run: Run) -> None:
    """Leave no look at the cache's files."""
    run["samples"] = []


def no_effect(run: Run) -> None:
    """Let the fault have met nobody."""
    run["history"] = [one for one in run["history"] if one.get("event") != "took_effect"]


def tear(run: Run) -> None:
    """Leave half an event."""
    run["torn_telemetry"] = '{"ts": "2026-01-01T00:00:0'


def alarm(run: Run) -> None:
    """Let an operation have answered beside an alarming word."""
    completion(run, 3)["detail"] = {"patterns": ["malformed"]}


GONE = {"exit_code": 1, "answer_sha256": None, "answer_bytes": 0}
STOPPED = {"exit_code": None, "answer_sha256": None, "answer_bytes": 0, "signal": 9}

CASES: dict[str, dict[str, Change]] = {
    "run_completed": {"PASS": sound, "UNKNOWN": unfinished},
    "integrity": {
        "PASS": sound,
        "FAIL": probe("integrity", result="database disk image is malformed"),
        "UNKNOWN": no_probe("integrity"),
    },
    "ops_total": {
        "PASS": sound,
        "FAIL": without(history=lambda line: line.get("op") == "op-000031"),
        "UNKNOWN": killed_before_the_last,
    },
    "no_indeterminate_operation": {
        "PASS": sound,
        "FAIL": ends(3, "info", reason="signal", **STOPPED),
        "UNKNOWN": no_operations,
    },
    "oracle_holds": {"PASS": sound, "UNKNOWN": all_calm_odd},
    "no_wrong_answer": {"PASS": sound, "FAIL": answers(22, ODD), "UNKNOWN": no_oracle},
    "no_stale_answer": {"PASS": sound, "FAIL": answers(26, RIGHT), "UNKNOWN": no_oracle},
    "no_missing_answer": {
        "PASS": sound,
        "FAIL": ends(22, "fail", reason="exit", **GONE),
        "UNKNOWN": no_oracle,
    },
    "no_crashed_operation": {
        "PASS": sound,
        "FAIL": ends(22, "fail", reason="exit", detail={"traceback": True}, **GONE),
        "UNKNOWN": no_oracle,
    },
    "no_hung_operation": {
        "PASS": sound,
        "FAIL": ends(22, "info", reason="hung", **STOPPED),
        "UNKNOWN": no_oracle,
    },
    "no_broken_cache": {
        "PASS": sound,
        "FAIL": answers(29, RIGHT),
        "UNKNOWN": without_phase("after"),
    },
    "warm_hits": {
        "PASS": sound,
        "FAIL": rename("cache.hit", "cache.miss"),
        "UNKNOWN": without_phase("warm"),
    },
    "cold_writes": {
        "PASS": sound,
        "FAIL": without(telemetry="cache.write"),
        "UNKNOWN": without_phase("cold"),
    },
    "lock_timeout": {"PASS": sound, "FAIL": two_timeouts, "UNKNOWN": no_telemetry},
    "lock_wait": {
        "PASS": sound,
        "FAIL": without(telemetry="cache.lock_wait"),
        "UNKNOWN": no_effect,
    },
    "no_lost_event": {
        "PASS": sound,
        "FAIL": without(telemetry="cache.lock_wait"),
        "UNKNOWN": no_telemetry,
    },
    "no_silent_operation": {
        "PASS": sound,
        "FAIL": without(telemetry="toy.get"),
        "UNKNOWN": no_operations,
    },
    "no_unreadable_line": {"PASS": sound, "FAIL": tear, "UNKNOWN": no_telemetry},
    "no_orphan_event": {"PASS": sound, "FAIL": last_event(x={"op": "op-999999"}), "UNKNOWN": hole},
    "no_duplicate_event": {"PASS": sound, "FAIL": last_event(), "UNKNOWN": no_telemetry},
    "no_foreign_run": {"PASS": sound, "FAIL": last_event(run_id="other"), "UNKNOWN": no_telemetry},
    "no_contradiction": {
        "PASS": sound,
        "FAIL": without(telemetry="cache.write"),
        "UNKNOWN": hole,
    },
    "bounded_growth": {"PASS": sound, "FAIL": huge, "UNKNOWN": no_samples},
    "no_leftovers": {
        "PASS": sound,
        "FAIL": probe("leftovers", files=["core.123"]),
        "UNKNOWN": no_samples,
    },
    "no_process_left": {
        "PASS": sound,
        "FAIL": probe("leftovers", processes=1),
        "UNKNOWN": no_probe("leftovers"),
    },
    "no_alarming_stderr": {"PASS": sound, "FAIL": alarm, "UNKNOWN": no_operations},
}
"""Criterion → verdict → how the sound run is changed to get it."""


def document(criterion: str, verdict: str) -> Run:
    """Return one golden run."""
    run = base()
    CASES[criterion][verdict](run)
    for number, line in enumerate(run["history"]):
        line["seq"] = number
    if "hole" in run:
        del run["history"][run.pop("hole")]
    return run


def main() -> None:
    """Write all files."""
    HERE.mkdir(exist_ok=True)
    for criterion, verdicts in CASES.items():
        for verdict in verdicts:
            text = json.dumps(document(criterion, verdict), separators=(",", ":")) + "\n"
            (HERE / f"{criterion}.{verdict}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
