"""Histories that are cut while they grow: every line once, whoever reads, and whenever one dies."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from library_project import LibraryProject, make_library_project
from soaker import HANG_GUARD_S, Soaker

from soakproof.bulk.stream_tail import StreamTail
from soakproof.bulk.tail import Line
from soakproof.errors import EvidenceBroken
from soakproof.evidence.history_chain import chain_end
from soakproof.line_writers import ChainedLineWriter, Cut, LineWriter
from soakproof.lines import BadLine, decode_history
from soakproof.report.progress import _SHOWN_STEPS, Progress
from soakproof.rotation.names import numbers, sealed
from soakproof.rotation.reading import is_there, members, stream, stream_sha256
from soakproof.rotation.sealing import Sealing
from soakproof.rundir import RunDir

pytestmark = pytest.mark.process

LINES = 400
AT_BYTES = 2048
MOST_LOOKS = 100_000
"""A guard against a hang: a reader that is not at the end by then will never be."""


def write(path: Path, at_bytes: int | None, lines: int = LINES) -> None:
    with Sealing(pytest.fail) as sealing:
        cut = None if at_bytes is None else Cut(at_bytes, sealing.seal)
        with ChainedLineWriter(path, "r", cut=cut) as writer:
            for seq in range(lines):
                writer.write({"seq": seq, "type": "probe", "mono_ns": seq, "kind": "k" * 40})


def seqs(path: Path) -> list[int]:
    return [json.loads(body)["seq"] for _, body, _ in stream(path)]


def test_a_cut_stream_is_what_it_would_be_uncut(tmp_path: Path) -> None:
    whole, cut = tmp_path / "a" / "history.jsonl", tmp_path / "b" / "history.jsonl"
    write(whole, None)
    write(cut, AT_BYTES)

    assert len(numbers(cut)) >= 5
    assert [] == numbers(whole)
    assert all(not sealed(cut, one)[0].exists() for one in numbers(cut)), "all parts are packed"
    assert [] == list(cut.parent.glob(".*"))
    assert list(stream(whole)) == list(stream(cut))
    assert list(decode_history(whole)) == list(decode_history(cut))
    assert stream_sha256(whole) == stream_sha256(cut)
    assert chain_end(whole, "r") == chain_end(cut, "r")
    # What gzip is given one after another it takes for one file.
    parts = b"".join(one.read_bytes() for one in members(cut)[:-1])
    assert whole.read_bytes() == gzip.decompress(parts) + cut.read_bytes()


def test_no_part_is_larger_than_the_limit_and_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, AT_BYTES)
    sizes = [len(gzip.decompress(one.read_bytes())) for one in members(path)[:-1]]
    longest = max(len(body) + 1 for _, body, _ in stream(path))

    assert all(AT_BYTES <= size < AT_BYTES + longest for size in sizes)
    assert path.stat().st_size < AT_BYTES


def test_a_reader_meets_a_cut_and_neither_loses_nor_doubles_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    writing = threading.Thread(target=write, args=(path, 1024, 4 * LINES))
    followed: list[Line] = []
    tail = StreamTail(path)
    writing.start()
    for _ in range(MOST_LOOKS):
        followed += [one for one in tail.new() if isinstance(one, Line)]
        if is_there(path):
            read = seqs(path)
            assert list(range(len(read))) == read
        if len(followed) == 4 * LINES:
            break
    writing.join(HANG_GUARD_S)
    tail.close()

    assert list(range(4 * LINES)) == [json.loads(one.body)["seq"] for one in followed]
    assert list(range(1, 4 * LINES + 1)) == [one.number for one in followed]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from soakproof.rotation.sealing import Sealing
from soakproof.line_writers import ChainedLineWriter, Cut

with Sealing(print) as sealing:
    cut = Cut(1024, sealing.seal)
    with ChainedLineWriter(Path(sys.argv[1]), "r", cut=cut) as writer:
        for seq in range(10**9):
            writer.write({{"seq": seq, "type": "probe", "mono_ns": seq, "kind": "k" * 40}})
"""


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 8, 13, 21, 34])
def test_a_writer_is_killed_at_any_moment_and_each_line_is_there_once(
    tmp_path: Path, parts: int
) -> None:
    path = tmp_path / "history.jsonl"
    script = WRITER.format(tests=str(Path(__file__).parents[1]))
    with subprocess.Popen([sys.executable, "-c", script, str(path)]) as process:
        while len(numbers(path)) < parts:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)

    read = seqs(path)
    assert list(range(len(read))) == read
    assert sum(len(body) + 1 for _, body, _ in stream(path)) >= parts * 1024
    assert [] == [one for one in decode_history(path) if isinstance(one, BadLine)]
    assert len(read) == chain_end(path, "r").lines


def test_every_state_between_a_cut_and_a_packed_part_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write(path, AT_BYTES)
    expected = list(stream(path))
    plain, packed = sealed(path, 3)

    plain.write_bytes(gzip.decompress(packed.read_bytes()))  # packed, and not yet removed
    assert expected == list(stream(path))
    half = packed.with_name(f".{packed.name}.part")
    half.write_bytes(packed.read_bytes()[:100])
    packed.unlink()  # half packed
    assert expected == list(stream(path))
    half.unlink()  # not begun
    assert expected == list(stream(path))
    last = numbers(path)[-1] + 1
    path.rename(sealed(path, last)[0])  # sealed, and the next not begun
    assert not path.exists()
    assert is_there(path)
    assert expected == list(stream(path))
    tail = StreamTail(path)
    assert len(expected) == len(list(tail.new()))
    assert [] == list(tail.new())
    tail.close()


def break_missing(path: Path) -> str:
    sealed(path, 2)[1].unlink()
    return "history.00002.jsonl{,.gz}: expected this part"


def break_first(path: Path) -> str:
    sealed(path, 1)[1].unlink()
    return "history.00001.jsonl{,.gz}: expected this part"


def break_last(path: Path) -> str:
    sealed(path, numbers(path)[-1])[1].unlink()
    return "history.jsonl: expected line"


def break_short(path: Path) -> str:
    packed = sealed(path, 2)[1]
    packed.write_bytes(packed.read_bytes()[:-20])
    return "history.00002.jsonl.gz: expected a whole compressed part"


def break_bytes(path: Path) -> str:
    packed = sealed(path, 2)[1]
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 0xFF
    packed.write_bytes(data)
    return "history.00002.jsonl.gz: expected a whole compressed part"


def break_order(path: Path) -> str:
    one, other = sealed(path, 2)[1], sealed(path, 3)[1]
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    return "history.00002.jsonl.gz: expected line"


def break_end(path: Path) -> str:
    packed = sealed(path, 2)[1]
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join(lines[:-1])))
    return "history.00003.jsonl.gz: expected line"


def break_link(path: Path) -> str:
    packed = sealed(path, 2)[1]
    packed.unlink()
    packed.symlink_to("nowhere")
    return "history.00002.jsonl{,.gz}: expected this part"


BREAKS = (
    *(break_missing, break_first, break_last, break_short, break_bytes),
    *(break_order, break_end, break_link),
)


@pytest.mark.parametrize("damage", BREAKS)
def test_a_part_that_is_not_what_it_was_is_named(
    tmp_path: Path, damage: Callable[[Path], str]
) -> None:
    path = tmp_path / "history.jsonl"
    write(path, AT_BYTES)
    named = damage(path)

    with pytest.raises(EvidenceBroken) as raised:
        list(decode_history(path))
    assert named in str(raised.value)
    with pytest.raises(EvidenceBroken):
        chain_end(path, "r")


def test_a_part_that_cannot_be_packed_stays_and_is_told(tmp_path: Path) -> None:
    path, told = tmp_path / "samples.jsonl", list[str]()
    plain, packed = sealed(path, 1)
    packed.with_name(f".{packed.name}.part").mkdir()  # in the way
    with Sealing(told.append) as sealing, LineWriter(path, Cut(64, sealing.seal)) as writer:
        for seq in range(4):
            writer.write({"seq": seq, "text": "t" * 60})

    assert (4, 3) == (sealing.parts, sealing.packed)
    assert ["samples.00001.jsonl stays as it is"] == [one.partition(",")[0] for one in told]
    assert plain.exists()
    assert not packed.exists()
    assert [0, 1, 2, 3] == seqs(path)


def test_the_log_of_a_soak_of_days_is_bounded(tmp_path: Path) -> None:
    log, steps = tmp_path / "soak_run.log", 2 * _SHOWN_STEPS
    with Progress(log, total=None, duration_s=86400.0) as progress:
        for number in range(steps):
            progress.fault(f"kill-{number}", "fired", {})
    lines = log.read_text("utf-8").splitlines()

    assert _SHOWN_STEPS + 2 == len(lines)
    assert lines[-2].endswith("more phases and faults are in history.jsonl")
    assert f"faults {steps} (" in lines[-1], "they are counted all the same"


# Whole soaks.


@pytest.fixture
def library(tmp_path: Path) -> LibraryProject:
    project = make_library_project(tmp_path)
    project.campaign(faults=[])
    project.gate_without("kill_took_effect")
    return project


def soak(project: LibraryProject, run_id: str, *argv: str) -> RunDir:
    soaked = project.run_cli("all", "--campaign", "library", "--run-id", run_id, *argv)
    assert 0 == soaked.returncode, soaked.stderr
    return RunDir(project.root / "_ctx" / "runs" / run_id)


def test_a_soak_in_parts_passes_and_its_evidence_holds(library: LibraryProject) -> None:
    cut = soak(library, "cut", "--part-bytes", "20000")
    whole = soak(library, "whole")
    parts = json.loads(cut.run.read_bytes())["parts"]
    told = [json.loads(one.metrics.read_bytes()) for one in (cut, whole)]

    assert len(numbers(cut.history)) >= 5
    assert parts["sealed"] == parts["packed"] >= 5
    assert [] == numbers(whole.history)
    for group in ("ops", "run"):
        assert told[0][group] == told[1][group]
    assert told[0]["schedule_sha256"] == told[1]["schedule_sha256"]
    assert told[0]["history_sha256"] == stream_sha256(cut.history)
    verified = library.run_cli("verify", "cut")
    assert 0 == verified.returncode, verified.stdout
    bundle = library.root / "_ctx/evidence/cut"
    kept = gzip.decompress((bundle / "history.jsonl.gz").read_bytes())
    assert b"".join(body + b"\n" for _, body, _ in stream(cut.history)) == kept

    asked = f"zcat -f {cut.path}/history.*jsonl* | sha256sum"
    shell = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True)
    assert told[0]["history_sha256"] == shell.stdout.split()[0]
    assert "history.*jsonl* | sha256sum" in cut.report.read_text("utf-8")
    assert "history.*jsonl* | sha256sum" not in whole.report.read_text("utf-8")

    # The same lines in one file: the same metrics, byte for byte, and the same answers of all.
    counted = cut.metrics.read_bytes()
    views = (("history",), ("history", "--json"))
    seen = [library.run_cli(*view, "--run-id", "cut").stdout for view in views]
    tallied = json.loads(library.run_cli("tally", "--json", "--run-id", "cut").stdout)
    for path in members(cut.history):
        path.unlink()
    cut.history.write_bytes(kept)
    assert 0 == library.run_cli("extract", "--run-id", "cut").returncode
    assert counted == cut.metrics.read_bytes()
    assert seen == [library.run_cli(*view, "--run-id", "cut").stdout for view in views]
    again = json.loads(library.run_cli("tally", "--json", "--run-id", "cut").stdout)
    assert len(tallied["files"]) >= 6
    del tallied["files"], again["files"]
    assert tallied == again


@pytest.mark.parametrize("damage", [break_missing, break_short, break_order, break_last])
def test_no_stage_passes_on_less(library: LibraryProject, damage: Callable[[Path], str]) -> None:
    run_dir = soak(library, "r", "--part-bytes", "20000", "--ops", "6000", "--no-record")
    named = damage(run_dir.history)

    for command in ("extract", "record", "history"):
        done = library.run_cli(command, "--run-id", "r")
        assert 12 == done.returncode, (command, done.stdout, done.stderr)
        # record finds first that the metrics were counted from another history.
        assert named in done.stderr or command == "record"
        assert 1 == len(done.stderr.splitlines())
    followed = library.run_cli("follow", "r")
    assert followed.returncode in {10, 12}


def test_a_soak_that_is_killed_between_parts_is_counted_as_far_as_it_went(
    soaker: Callable[..., Soaker],
) -> None:
    soaks = soaker()
    flags = ("--campaign", "toy", "--ops", "2000", "--workers", "2", "--run-id", "r")
    assert 0 == soaks("clean", *flags, PART_BYTES="4096").returncode
    run = soaks.start("run", "--run-id", "r")
    watcher = soaks.start("follow", "r")
    run_dir = RunDir(soaks.root / "_ctx/runs/r")
    pause = threading.Event()
    while len(numbers(run_dir.history)) < 5:
        assert run.poll() is None
        pause.wait(0.02)
    run.kill()
    run.communicate(timeout=HANG_GUARD_S)
    out, err = watcher.communicate(timeout=HANG_GUARD_S)
    lines = len(list(stream(run_dir.history)))

    assert 10 == watcher.returncode
    assert "nobody writes the history any more" in out
    assert 1 == len(out.splitlines()), "no line was lost, and no file has moved"
    assert f"gone: {lines:,} lines of history" in err
    assert 0 == soaks("expect").returncode
    assert 0 == soaks("extract").returncode
    assert "unfinished" == soaks.document("metrics.json")["run"]["state"]
    assert 11 == soaks("gate").returncode
    assert "PART_BYTES" == soaks.document("plan.json")["settings"]["part_bytes"]["origin"]


def test_a_soak_of_a_tool_in_parts_passes(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    soaks.soak("--ops", "30", "--workers", "2", "--part-bytes", "2048")
    counted = soaks.run_dir.joinpath("metrics.json").read_bytes()
    history = RunDir(soaks.run_dir).history
    assert len(numbers(history)) >= 5
    assert 0 == soaks("report").returncode
    kept = b"".join(body + b"\n" for _, body, _ in stream(history))
    for path in members(history):
        path.unlink()
    history.write_bytes(kept)
    assert 0 == soaks("extract").returncode
    assert counted == soaks.run_dir.joinpath("metrics.json").read_bytes()


def test_a_replay_is_cut_as_the_run_was(library: LibraryProject) -> None:
    flags = ("--part-bytes", "20000", "--ops", "3000", "--no-record")
    soak(library, "first", *flags)
    replayed = library.run_cli("replay", "first", "--run-id", "again", "--no-record")
    again = RunDir(library.root / "_ctx/runs/again")

    assert 0 == replayed.returncode, replayed.stderr
    assert 20000 == json.loads(again.run.read_bytes())["parts"]["at_bytes"]
    assert len(numbers(again.history)) >= 2


def test_a_size_that_cannot_be_meant_is_refused(library: LibraryProject) -> None:
    done = library.run_cli("clean", "--campaign", "library", "--part-bytes", "12")

    assert 2 == done.returncode
    expected = "soakproof: --part-bytes: expected a whole number from 1024, found '12'"
    assert expected in done.stderr
    shutil.rmtree(library.root)


def test_a_size_that_cannot_be_used_begins_no_run(soaker: Callable[..., Soaker]) -> None:
    soaks = soaker()
    refused = soaks("clean", "--campaign", "toy", "--run-id", "r", "--part-bytes", "much")

    assert 2 == refused.returncode
    assert "--part-bytes" in refused.stderr.strip().splitlines()[-1]
    assert not (soaks.root / "_ctx").exists()
