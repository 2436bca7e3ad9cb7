"""The conformance suite: sound workers keep to the protocol, and each breach is named."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from soakproof.stages.conform import CHECKS
from soakproof.testing import assert_worker, check_worker

pytestmark = pytest.mark.process

WORKERS = {
    "sqlite_kv": "sqlite3",
    "shelve_kv": "shelve",
    "diskcache_kv": "diskcache",
    "lmdb_kv": "lmdb",
}

SOUND = """
import json, os, sys
store = os.path.join(os.environ["SOAKPROOF_CACHE"], "store.json")
os.makedirs(os.path.dirname(store), exist_ok=True)
def load():
    try:
        return json.load(open(store, encoding="utf-8"))
    except FileNotFoundError:
        return {}
def save(held):
    json.dump(held, open(store + ".new", "w", encoding="utf-8"))
    os.replace(store + ".new", store)
def answer(asked):
    held = load()
    if asked["op"] == "get":
        return held.get(asked["key"])
    if asked["op"] == "set":
        held[asked["key"]] = asked["value"]
        save(held)
        return True
    raise LookupError(asked["op"])
hello = {"protocol": 1, "library": "plain", "version": "1", "operations": ["get", "set"]}
print(json.dumps(hello), flush=True)
for line in sys.stdin.buffer:
    number = None
    try:
        asked = json.loads(line)
        number = asked["id"]
        said = {"id": number, "ok": True, "answer": answer(asked)}
    except Exception as problem:
        said = {"id": number, "ok": False, "error": repr(problem)}
    print(json.dumps(said), flush=True)
"""
"""A worker in a few lines of another hand; what is changed in it is a breach."""

BREACHES = {
    "hello": ('"protocol": 1', '"protocol": 2'),
    "ids_in_order": ('{"id": number, "ok": True', '{"id": int(number) + 1, "ok": True'),
    "set_then_get": (
        'held[asked["key"]] = asked["value"]',
        'held.setdefault(asked["key"], asked["value"])',
    ),
    "unknown_operation": ('raise LookupError(asked["op"])', "return None"),
    "bad_json": ("except Exception as problem", "except LookupError as problem"),
    "awkward_values": (
        '= asked["value"]',
        '= asked["value"].strip() if isinstance(asked["value"], str) else asked["value"]',
    ),
    "awkward_keys": ('held[asked["key"]]', 'held[asked["key"].strip()]'),
    "big_value": (
        '= asked["value"]',
        '= asked["value"] if not isinstance(asked["value"], str) else asked["value"][:65536]',
    ),
    "kept_over_restart": (
        'os.path.join(os.environ["SOAKPROOF_CACHE"], "store.json")',
        'os.path.join(os.environ["SOAKPROOF_CACHE"], f"{os.getpid()}.json")',
    ),
    "several_at_once": (
        'os.path.join(os.environ["SOAKPROOF_CACHE"], "store.json")',
        'os.path.join(os.environ["SOAKPROOF_CACHE"], f"{os.getpid()}.json")',
    ),
    "ends_with_its_input": (
        "    print(json.dumps(said), flush=True)\n",
        "    print(json.dumps(said), flush=True)\nsys.exit(3)\n",
    ),
}


@pytest.mark.parametrize("name", WORKERS)
def test_our_own_workers_keep_to_the_protocol(name: str) -> None:
    if importlib.util.find_spec(WORKERS[name]) is None:
        pytest.skip(f"{WORKERS[name]} is not installed here")
    assert_worker([sys.executable, "-m", f"soakproof.workers.{name}"])


def test_a_worker_of_another_hand_keeps_to_it(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(SOUND, "utf-8")

    assert [] == [one for one in check_worker([sys.executable, str(worker)]).checks if one.problem]


@pytest.mark.parametrize("check", BREACHES)
def test_a_breach_is_found_by_the_check_that_is_for_it(check: str, tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    sound, broken = BREACHES[check]
    assert sound in SOUND
    worker.write_text(SOUND.replace(sound, broken), "utf-8")

    found = check_worker([sys.executable, str(worker)], deadline_s=10)
    problems = {one.name: one.problem for one in found.checks if one.problem}

    assert check in problems
    assert 10 == found.exit_code


def test_every_check_has_a_sentence() -> None:
    assert all((check.__doc__ or "").strip().endswith(".") for check in CHECKS)


def test_the_command_reports_and_ends_with_ten(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("print('nothing of the kind')", "utf-8")
    argv = [sys.executable, "-m", "soakproof", "conform", f"{sys.executable} {worker}", "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)

    assert 10 == done.returncode
    assert all(one["problem"] for one in json.loads(done.stdout)["checks"])


def test_no_command_is_a_usage_error() -> None:
    argv = [sys.executable, "-m", "soakproof.testing"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)

    assert 2 == done.returncode
    assert "expected the command line of a worker" in done.stderr
