import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from trifecta_process import HANG_GUARD_S, Answer, Trifecta

MODULES = 60


@pytest.fixture
def project(trifecta: Trifecta) -> Trifecta:
    for index in range(MODULES):
        trifecta.write(f"pkg/m{index:02d}.py", f"def f{index}(): pass\n")
    trifecta.write("pkg/__init__.py", "")
    trifecta.write("pkg/broken.py", "def (:\n")
    trifecta.write("src/lib/core.py", "def core(): pass\n")
    trifecta.write("both.py", "def hidden(): pass\n")
    trifecta.write("both/__init__.py", "def shown(): pass\n")
    trifecta.write("not-hidden/x.y.py", "def unreachable(): pass\n")
    return trifecta


def lines(answer: Answer) -> list[dict[str, object]]:
    return [json.loads(line) for line in answer.out.splitlines()]


def test_several_uris_are_answered_in_order(project: Trifecta) -> None:
    modules = ["pkg.m03", "nowhere", "pkg.m01"]
    uris = [f"sym://python/mod/{module}" for module in modules]
    answer = project.run("ast", "symbols", *uris, "--persist-cache")

    assert [line["uri"] for line in lines(answer)] == uris
    assert [line["status"] for line in lines(answer)] == ["ok", "error", "ok"]
    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_lines_of_stdin_are_answered_one_by_one(project: Trifecta) -> None:
    asked = b"sym://python/mod/pkg.m03\n\n  sym://python/mod/both \nsym://python/mod/\xff\n"
    answer = project.run("ast", "symbols", "--stdin", stdin=asked)

    assert [line["status"] for line in lines(answer)] == ["ok", "ok", "error"]
    assert lines(answer)[1]["path"] == "both/__init__.py"


def test_all_is_the_same_cold_warm_and_in_any_number_of_processes(project: Trifecta) -> None:
    answers = [
        project.run("ast", "symbols", "--all", "--persist-cache", "--jobs", "3"),
        project.run("ast", "symbols", "--all", "--persist-cache"),
        project.run("ast", "symbols", "--all", "--jobs", "1"),
    ]

    assert len({answer.out for answer in answers}) == 1
    assert [answer.code for answer in answers] == [3, 3, 3]
    paths = [line["path"] for line in lines(answers[0])]
    assert len(paths) == MODULES + 5
    assert "both.py" not in paths
    assert "src/lib/core.py" in paths
    single = project.run("ast", "symbols", "sym://python/mod/pkg.m07")
    assert single.out in answers[0].out


def test_a_batch_says_what_it_did_and_loses_no_event(project: Trifecta) -> None:
    done = project.run("ast", "warm").json

    assert (done["asked"], done["parsed"], done["failed"]) == (MODULES + 5, MODULES + 4, 1)
    assert done["written"] == MODULES + 4
    events = project.events()
    assert events[-1]["cmd"] == "ast.warm"
    assert events[-1]["x"]["events"] == len(events)
    assert [event["x"]["seq"] for event in events] == list(range(1, len(events) + 1))
    again = project.run("ast", "warm").json
    assert (again["hits"], again["written"]) == (MODULES + 4, 0)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    """Tell whether a process has ended (a zombie that nobody has reaped yet has, too)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_that_is_stopped_leaves_no_process(
    project: Trifecta, number: signal.Signals
) -> None:
    for index in range(MODULES):
        project.write(f"pkg/m{index:02d}.py", "def f(x): return [x, {x: (x, x)}]\n" * 400)
    with project.start("ast", "warm", "--jobs", "3", "--telemetry", "off") as process:
        started: list[int] = []
        while not started:
            assert process.poll() is None
            started = children(process.pid)
        process.send_signal(number)
        code = process.wait(60)
        assert process.stderr is not None
        err = process.stderr.read()  # ends when the last child has closed it

    assert code == (130 if number == signal.SIGINT else -number)
    assert err == (b"trifecta: interrupted\n" if number == signal.SIGINT else b"")
    give_up = time.monotonic() + HANG_GUARD_S
    while not all(gone(child) for child in started):
        assert time.monotonic() < give_up


def limited(count: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.mark.parametrize("spare", [4, 5, 6])
def test_too_many_open_files_costs_an_event(trifecta: Trifecta, spare: int) -> None:
    bare = subprocess.run(
        [sys.executable, "-c", "import traceback"],
        preexec_fn=limited(spare),
        capture_output=True,
        env=trifecta.environment(),
        timeout=60,
        check=False,
    )
    if bare.returncode or bare.stderr:
        pytest.skip(f"with {spare} descriptors this environment's Python itself does not start")
    done = subprocess.run(
        [sys.executable, "-m", "trifecta", "ast", "symbols", "sym://python/mod/sample"],
        preexec_fn=limited(spare),
        capture_output=True,
        env=trifecta.environment({"TRIFECTA_AST_PERSIST": "1"}),
        cwd=trifecta.root,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "ok"


@pytest.fixture
def strace() -> str:
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([program, "true"], capture_output=True, timeout=60, check=False)
    if probe.returncode:
        pytest.skip("tracing is not permitted here")
    return program


def traced(
    trifecta: Trifecta, strace: str, calls: str, action: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Ask once while *calls* are watched, or while *action* happens to them."""
    question = ["ast", "symbols", "sym://python/mod/sample"]
    options = ["-e", f"trace={calls}"]
    if action:
        options += ["-o", "/dev/null", "-e", f"inject={calls}:{action}"]
    return subprocess.run(
        [strace, "-f", "-qq", *options, sys.executable, "-m", "trifecta", *question],
        capture_output=True,
        env=trifecta.environment({"TRIFECTA_AST_PERSIST": "1", "TRIFECTA_LOCK_TIMEOUT_MS": "150"}),
        cwd=trifecta.root,
        timeout=60,
        check=False,
    )


def test_a_file_system_without_locks_is_said_once(trifecta: Trifecta, strace: str) -> None:
    done = traced(trifecta, strace, "flock", "error=ENOLCK")

    assert done.returncode == 0
    assert trifecta.event("ast.cache.degraded")["result"]["reason"] == "no_locks"


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", range(1, 12, 2))
def test_any_write_to_the_database_may_fail(
    trifecta: Trifecta, strace: str, error: str, call: int
) -> None:
    done = traced(trifecta, strace, "pwrite64", f"error={error}:when={call}+")

    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert trifecta.symbols("sample").names[0] == "plain"


@pytest.mark.parametrize("call", range(1, 16))
def test_a_kill_at_any_write_loses_at_most_the_entry(
    trifecta: Trifecta, strace: str, call: int
) -> None:
    trifecta.write("before.py", "def before(): pass\n")
    trifecta.symbols("before")
    trifecta.forget_events()
    calls = "pwrite64,rename,ftruncate,unlink,fsync,fdatasync"
    traced(trifecta, strace, calls, f"signal=KILL:when={call}")
    answer = trifecta.symbols("sample")

    assert (answer.code, answer.names[0]) == (0, "plain")
    assert trifecta.symbols("before").names == ["before"]
    reasons = [e["result"].get("reason") for e in trifecta.events()]
    assert "database_damaged" not in reasons
    assert "ast.cache.recovered" not in trifecta.commands()
    assert trifecta.commands()[-2:] == ["ast.cache.hit", "ast.symbols"]


def test_telemetry_is_only_ever_appended_to(trifecta: Trifecta, strace: str) -> None:
    trifecta.log.parent.mkdir(parents=True)
    trifecta.log.write_bytes(b"\n{}\n" * 100_000)
    done = traced(trifecta, strace, "openat")
    opened = [line for line in done.stderr.decode().splitlines() if "events.jsonl" in line]

    assert len(opened) == 1
    assert "O_WRONLY" in opened[0]
    assert "O_APPEND" in opened[0]


@pytest.mark.parametrize("call", range(1, 6))
def test_a_new_database_is_never_parted_from_its_journal(
    trifecta: Trifecta, strace: str, call: int
) -> None:
    done = traced(trifecta, strace, "unlink", f"error=ENOSPC:when={call}+")

    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    if trifecta.ast_db.exists():
        assert list(trifecta.ast_db.parent.glob("*.new-*")) == []
    assert trifecta.symbols("sample").names[0] == "plain"
    assert list(trifecta.ast_db.parent.glob("*.new-*")) == []


def test_no_descriptor_for_the_next_module_is_one_line(trifecta: Trifecta, strace: str) -> None:
    trifecta.write("before.py", "def before(): pass\n")
    trifecta.symbols("before")
    opened = traced(trifecta, strace, "openat").stderr.decode().splitlines()
    asked = [line for line in opened if line.startswith(("openat", "[pid"))]
    at = next(number for number, line in enumerate(asked, 1) if trifecta.ast_db.name in line)
    trifecta.ast_db.unlink()
    trifecta.symbols("before")
    done = traced(trifecta, strace, "openat", f"error=EMFILE:when={at}+")
    last = [line for line in done.stderr.decode().splitlines() if "error" in line]

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert len(last) == 1
    assert last[0].startswith("trifecta: error: the program itself cannot be read: ")
