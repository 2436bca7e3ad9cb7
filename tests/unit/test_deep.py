"""What strace writes is read, points are chosen, and verdicts composed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from soakproof import schema
from soakproof.deep.calibration import Row, judge_row
from soakproof.deep.calls import Call, fd_of, path_of, read_trace, text_of, texts_of
from soakproof.deep.crash import crash_states, power_cut
from soakproof.deep.disk import (
    Acknowledged,
    Data,
    Disk,
    Effect,
    Folder,
    Gone,
    Name,
    Rename,
    Size,
    Sync,
    SyncFolder,
    Tree,
    sectors,
)
from soakproof.deep.effects import CannotRebuildError, Recorder
from soakproof.deep.points import (
    CHANGING,
    Point,
    Touch,
    beyond_points,
    bounded,
    error_points,
    kill_points,
    short_points,
    touches,
)
from soakproof.deep.scans import Found, PointResult
from soakproof.deep.verdicts import KINDS, Batch, failing, scan_row, skipped_row, whole_verdict
from soakproof.model import Verdict
from soakproof.report.deep_tables import deep_lines, deep_markdown


def hexed(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


EMPTY = Tree({}, frozenset())

# ------------------------------------------------------------------ reading a trace


def test_a_call_is_read_with_descriptor_text_and_result() -> None:
    line = f'12 pwrite64(3<{hexed(b"/r/a b")}>, "{hexed(b"a,)(")}", 4, 4096) = 4'
    trace = read_trace([line])
    call = trace.calls[0]

    assert () == trace.unreadable
    assert ("pwrite64", 12, 4) == (call.name, call.pid, call.result)
    assert ("/r/a b", 3) == (path_of(call.arguments[0]), fd_of(call.arguments[0]))
    assert b"a,)(" == text_of(call.arguments[1])


@pytest.mark.parametrize(
    ("line", "result", "error", "injected"),
    [
        ('1 unlink("\\x61") = -1 ENOENT (No such file or directory)', -1, "ENOENT", False),
        ("1 fsync(3) = -1 EIO (Input/output error) (INJECTED)", -1, "EIO", True),
        ("1 fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)", 1, None, False),
        ('1 openat(AT_FDCWD</x>, "\\x61", O_RDONLY) = 3<\\x2f\\x61>', 3, None, False),
        ('1 write(1</x>(deleted), "\\x61", 1) = 1', 1, None, False),
        ('1 write(3, "\\x61", 1) = ?', None, None, False),
    ],
)  # fmt: skip
def test_every_kind_of_result_is_read(
    line: str, result: int | None, error: str | None, injected: bool
) -> None:
    trace = read_trace([line])

    assert () == trace.unreadable
    assert [(result, error, injected)] == [
        (call.result, call.error, call.injected) for call in trace.calls
    ]


def test_a_call_that_others_interrupt_is_put_together() -> None:
    trace = read_trace(
        [
            '1 write(3</r/a>, "\\x61", 1 <unfinished ...>',
            "2 fsync(4) = 0",
            "1 <... write resumed>) = 1",
            "3 fsync(5 <unfinished ...>",
            "3 +++ killed by SIGKILL +++",
        ]
    )

    assert [("fsync", 0), ("write", 1), ("fsync", None)] == [
        (call.name, call.result) for call in trace.calls
    ]
    assert b"a" == text_of(trace.calls[1].arguments[1])
    assert "killed by SIGKILL" == trace.told[0].text


def test_what_cannot_be_read_is_not_passed_over() -> None:
    assert ("1 rubbish",) == read_trace(["1 rubbish"]).unreadable
    assert ("rubbish",) == read_trace(["rubbish"]).unreadable


def test_a_text_that_was_cut_off_is_none() -> None:
    assert text_of('"\\x61"...') is None
    assert b"ab" == texts_of('[{iov_base="\\x61", iov_len=1}, {iov_base="\\x62", iov_len=1}]')
    assert texts_of('[{iov_base="\\x61"..., iov_len=9}]') is None


# ------------------------------------------------------------------ what calls did


def recorder(base: Tree = EMPTY) -> Recorder:
    return Recorder("/r", base, "/r", lambda path: path.endswith("-shm"))


def call(name: str, *arguments: str, result: int = 0) -> Call:
    return Call(1, name, arguments, result)


def text(value: str) -> str:
    return f'"{hexed(value.encode())}"'


def test_a_trace_becomes_effects() -> None:
    one = recorder()
    one.take(
        [
            call("mkdir", text("/r/d"), "0777"),
            call("openat", "AT_FDCWD</r>", text("d/a"), "O_WRONLY|O_CREAT", "0644", result=3),
            call("write", "3</r/d/a>", text("xy"), "2", result=1),
            call("write", "3</r/d/a>", text("z"), "1", result=1),
            call("fsync", "3</r/d/a>"),
            call("rename", text("/r/d/a"), text("/r/b")),
            call("write", "1<pipe:[1]>", text("done"), "4", result=4),
            call("unlink", text("/elsewhere")),
            call("openat", "AT_FDCWD</r>", text("x-shm"), "O_RDWR|O_CREAT", "0644", result=4),
        ]
    )

    assert [
        Folder("d"),
        Name("d/a", 0),
        Data(0, 0, b"x"),
        Data(0, 1, b"z"),
        Sync(0),
        Rename("d/a", "b", 0),
        Acknowledged(b"done"),
    ] == one.effects


def test_a_failed_call_did_nothing() -> None:
    one = recorder()
    one.take([Call(1, "mkdir", (text("/r/d"), "0777"), -1, "EEXIST")])

    assert [] == one.effects


@pytest.mark.parametrize(
    "made",
    [
        call("mmap", "NULL", "4096", "PROT_READ|PROT_WRITE", "MAP_SHARED", "3</r/a>", "0"),
        call("sendfile", "3</r/a>", "4</x>", "NULL", "9", result=9),
        call("io_uring_setup", "8", "{}", result=3),
        call("fallocate", "3</r/a>", "FALLOC_FL_PUNCH_HOLE", "0", "9"),
        call("write", "7</r/a>", text("x"), "1", result=1),
        call("rename", text("/elsewhere"), text("/r/a")),
    ],
    ids=lambda made: made.name,
)
def test_what_cannot_be_rebuilt_ends_it(made: Call) -> None:
    with pytest.raises(CannotRebuildError):
        recorder(Tree({"a": b""}, frozenset())).take([made])


def test_a_closed_descriptor_is_another_file_next_time() -> None:
    one = recorder()
    one.take(
        [
            call("openat", "AT_FDCWD</r>", text("a"), "O_WRONLY|O_CREAT", "0644", result=3),
            call("close", "3</r/a>"),
            call("openat", "AT_FDCWD</r>", text("/etc/x"), "O_WRONLY", result=3),
            call("write", "3</etc/x>", text("x"), "1", result=1),
        ]
    )

    assert [Name("a", 0)] == one.effects


# ------------------------------------------------------------------ states of a disk


def test_a_write_is_cut_at_the_files_sectors() -> None:
    pieces = list(sectors(Data(0, 500, bytes(1000))))

    assert [(500, 12), (512, 512), (1024, 476)] == [(one.offset, len(one.data)) for one in pieces]


REPLACED: Sequence[Any] = [Name("t", 1), Data(1, 0, b"new"), Rename("t", "a", 1)]
OLD = Tree({"a": b"old"}, frozenset())


def test_a_rename_without_a_sync_can_leave_an_empty_file() -> None:
    assert {"a": b""} == power_cut(OLD, REPLACED, "power_journalled", 1, 0).files
    assert {"a": b"old"} == power_cut(OLD, REPLACED, "power_journalled", 0, 0).files


def test_a_synced_file_survives_under_the_name_that_survives() -> None:
    synced = [*REPLACED[:2], Sync(1), REPLACED[2]]

    for variant in range(8):
        for model in ("power_journalled", "power_names_apart"):
            tree = power_cut(OLD, synced, model, variant, 0)
            assert tree.files["a"] in {b"old", b"new"}


def test_a_synced_folder_keeps_its_names_and_a_file_alone_does_not() -> None:
    effects: list[Effect] = [Name("n", 1), Sync(1)]

    assert "n" in power_cut(OLD, effects, "power_journalled", 0, 0).files
    assert "n" not in power_cut(OLD, effects, "power_names_apart", 0, 0).files
    safe: list[Effect] = [*effects, SyncFolder(".")]
    assert "n" in power_cut(OLD, safe, "power_names_apart", 0, 0).files


def test_a_name_in_a_folder_that_was_lost_cannot_be_reached() -> None:
    effects: list[Effect] = [Folder("d"), Name("d/a", 1), Sync(1), SyncFolder("d")]

    assert {} == power_cut(EMPTY, effects, "power_names_apart", 0, 0).files


def test_states_know_what_was_acknowledged() -> None:
    effects: list[Effect] = [Name("a", 0), Acknowledged(b"1"), Data(0, 0, bytes(2000))]
    states = list(crash_states(EMPTY, effects, seed=1, drawn=1))
    torn = [one for one in states if one.model == "torn_write"]

    assert 1 == len(torn)
    assert 0 < len(torn[0].tree.files["a"]) < 2000
    assert {0: (), 1: (), 2: (b"1",), 3: (b"1",)} == {
        one.at: one.acknowledged for one in states if one.model == "kill"
    }


def test_a_cut_and_a_removal_are_done() -> None:
    disk = Disk.of(Tree({"a": b"abc", "b": b"x"}, frozenset()))
    for effect in (Size(0, 1), Size(0, 3), Gone("b")):
        disk.apply(effect)

    assert {"a": b"a\0\0"} == disk.tree().files


# ------------------------------------------------------------------ points


def inside(path: str) -> str | None:
    return path.removeprefix("/r/") if path.startswith("/r/") else None


CALLS = [
    call("openat", "AT_FDCWD</x>", text("/etc/x"), "O_RDONLY", result=3),
    call("openat", "AT_FDCWD</x>", text("/r/a"), "O_RDWR|O_CREAT", "0644", result=4),
    call("write", "1<pipe:[1]>", text("answer"), "6", result=6),
    call("write", "4</r/a>", text("abcd"), "4", result=4),
    call("write", "4</r/a>", text("efgh"), "4", result=4),
    call("pwrite64", "4</r/a>", text("z" * 10), "10", "100", result=10),
    call("openat", "AT_FDCWD</x>", text("/r/b"), "O_RDONLY", result=5),
]


def test_calls_are_counted_by_name_also_where_they_touch_something_else() -> None:
    found = list(touches(CALLS, inside))

    assert [
        Touch("openat", 2, "a", writes=True),
        Touch("write", 2, "a", True, 0, 4),
        Touch("write", 3, "a", True, 4, 4),
        Touch("pwrite64", 1, "a", True, 100, 10),
        Touch("openat", 3, "b", writes=False),
    ] == found
    assert 4 == len(kill_points(found))
    assert [2, 6, 105] == [point.limit_bytes for point in short_points(found)]
    assert [("pwrite64", 2)] == [
        (point.touch.name, point.touch.nth) for point in beyond_points({"pwrite64": 1})
    ]


def test_errors_are_those_that_the_call_can_give() -> None:
    points = error_points(list(touches(CALLS, inside)))
    told = {(p.touch.name, p.touch.nth, p.error, p.persists) for p in points}

    assert ("openat", 3, "EMFILE", True) in told
    assert ("openat", 3, "ENOSPC", False) not in told
    assert ("pwrite64", 1, "EINTR", False) in told
    assert ("pwrite64", 1, "EINTR", True) not in told, "it would be an endless loop"
    assert ("write", 2, "ENOSPC", True) not in told, "it would hit the answer, too"
    assert [True] == list({point.starves for point in points if point.persists
                           and point.touch.name == "openat"})  # fmt: skip


def test_a_bound_spreads_its_choice_and_keeps_the_numbers() -> None:
    assert [(1, "a"), (3, "c")] == bounded(["a", "b", "c", "d"], 2)
    assert [(1, "a")] == bounded(["a"], 2)


def test_every_call_that_changes_a_disk_has_a_place_in_the_scans() -> None:
    assert {"openat", "write", "pwrite64", "ftruncate", "rename", "unlink", "fsync", "fdatasync",
            "mkdir", "fallocate", "link", "chmod"} <= set(CHANGING)  # fmt: skip


# ------------------------------------------------------------------ verdicts

FINE = PointResult(1, "write 1 (a)", True, (), "right")
BAD = PointResult(2, "write 2 (a)", True, (Found("wrong", "half"),), "right")
MISSED = PointResult(3, "write 3 (a)", False, (), "right")


def batch(points: int, chosen: int, *, whole: bool = True) -> Batch:
    return Batch("kill", "cold", points, points, chosen, whole)


@pytest.mark.parametrize(
    ("row", "verdict", "says"),
    [
        (scan_row(batch(1, 1), [FINE]), "PASS", ""),
        (scan_row(batch(2, 2), [FINE, BAD]), "FAIL", ""),
        (scan_row(batch(9, 1), [FINE]), "UNKNOWN", "cut off by the bound"),
        (scan_row(batch(9, 1), [BAD]), "FAIL", "cut off by the bound"),
        (scan_row(batch(9, 1, whole=False), [FINE]), "PASS", ""),
        (scan_row(batch(2, 2), [FINE, MISSED]), "UNKNOWN", "not reached"),
        (scan_row(batch(1, 1), [FINE], [FINE]), "UNKNOWN", "more calls"),
        (scan_row(batch(1, 1), [FINE], [MISSED]), "PASS", ""),
        (scan_row(batch(0, 0), []), "UNKNOWN", "there is no point"),
        (skipped_row("kill", "cold", "no strace"), "UNKNOWN", "no strace"),
    ],
)
def test_a_row_says_what_its_points_mean(row: dict[str, Any], verdict: str, says: str) -> None:
    assert verdict == row["verdict"]
    assert says in row["reason"]
    assert set(KINDS) == set(row["found"])


AGREES = judge_row(("WAL", "FULL"), "kill", 9, 0, 0)
TOO_WEAK = judge_row(("WAL", "OFF"), "power_journalled", 9, 3, 0)
LOSES = judge_row(("DELETE", "EXTRA"), "power_names_apart", 9, 1, 0)


def test_the_calibration_disagrees_where_too_little_or_too_much_was_seen() -> None:
    assert AGREES.agrees
    assert not TOO_WEAK.agrees
    assert not LOSES.agrees
    assert not judge_row(("WAL", "FULL"), "kill", 0, 0, 0).agrees, "no state proves nothing"


@pytest.mark.parametrize(
    ("rows", "calibration", "verdict"),
    [
        ([scan_row(batch(1, 1), [FINE])], [AGREES], Verdict.PASS),
        ([scan_row(batch(1, 1), [BAD])], [AGREES], Verdict.FAIL),
        ([scan_row(batch(1, 1), [FINE])], [AGREES, TOO_WEAK], Verdict.UNKNOWN),
        ([scan_row(batch(1, 1), [BAD])], [LOSES], Verdict.UNKNOWN),
        ([], None, Verdict.UNKNOWN),
        ([], [AGREES], Verdict.PASS),
        ([skipped_row("kill", "cold", "x")], [AGREES], Verdict.UNKNOWN),
    ],
)
def test_a_calibration_that_disagrees_makes_all_unknown(
    rows: list[dict[str, Any]], calibration: list[Row] | None, verdict: Verdict
) -> None:
    assert verdict is whole_verdict(rows, calibration)[0]


def document() -> dict[str, Any]:
    rows = [scan_row(batch(2, 2), [FINE, BAD]), skipped_row("crash", "power_journalled", "mmap")]
    return {
        "schema_version": 1,
        "created_at_utc": "2026-01-01T00:00:00Z",
        "soakproof_version": "0",
        "campaign": "c.toml",
        "target": "t",
        "target_code_sha256": None,
        "seed": 1,
        "max_points": 5,
        "whole": True,
        "strace": {"version": "6.1", "usable": True, "reason": None},
        "calibration": [{name: getattr(AGREES, name) for name in AGREES.__dataclass_fields__}],
        "scans": rows,
        "failing": failing("kill", "cold", [FINE, BAD], "soakproof deep --seed 1"),
        "verdict": "FAIL",
        "reason": "kill, cold: see the failing points",
        "exit_code": 10,
        "seconds": 1.0,
    }


def test_the_report_tells_every_failing_point_with_its_replay() -> None:
    schema.check(document(), "deep", "deep.json")
    page = deep_markdown(document())
    lines = deep_lines(document(), width=100, colour=True)
    replay = "soakproof deep --seed 1 --scan kill --point 2"

    assert replay in page
    assert replay in lines
    assert "wrong: half" in page
    assert "| the answer is right | broken 0 of 0 |" in page
    assert "\x1b[1;31mFAIL" in lines
    assert "\x1b" not in deep_lines(document(), width=100, colour=False)
    assert lines.endswith("FAIL: kill, cold: see the failing points (1 s)")


def test_a_point_says_what_is_done() -> None:
    touch = Touch("write", 2, "a", writes=True)

    assert "write 2 (a)" == Point(touch).told()
    assert "EIO at write 2 (a)" == Point(touch, "EIO").told()
    assert "EIO from write 2 (a) on" == Point(touch, "EIO", persists=True).told()
    assert "no file beyond 7 bytes" in Point(touch, limit_bytes=7).told()
