"""The history's lines are what their type says, and nothing in them is lost on the way."""

from __future__ import annotations

from pathlib import Path

from soakproof.line_writers import ChainedLineWriter
from soakproof.lines import BadLine, decode_history
from soakproof.model import Operation, Outcome, Phase
from soakproof.places import Places
from soakproof.stages.run.writing import HistoryWriter


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    operation = Operation(7, Phase.WARM, "ask", 'a "key"', first_ask=True)
    with ChainedLineWriter(path, "run") as lines:
        history = HistoryWriter(lines)
        history.begin("run", "0" * 64)
        history.phase(Phase.WARM, "begin", episode=None, again=0)
        history.invoke(operation, 2, 11)
        history.complete(operation, 2, Outcome.OK, mono_ns=22, exit_code=0, signal=None)
        history.end(None)
    found = list(decode_history(path))

    assert not any(isinstance(line, BadLine) for line in found)
    begun, phase, invoke, done, end = (line for line in found if not isinstance(line, BadLine))
    assert (0, "run", "begin") == (begun.seq, begun.run_id, begun.event)
    assert ("phase", "warm", None) == (phase.type, phase.phase, phase.again)
    assert ("invoke", 11, 7, 2, 'a "key"') == (
        *(invoke.type, invoke.mono_ns, invoke.index, invoke.worker, invoke.key),
    )
    assert ("ok", 22, 0, None) == (done.type, done.mono_ns, done.exit_code, done.signal)
    assert "signal" not in path.read_text("utf-8").splitlines()[3]
    assert ("end", 4) == (end.event, end.seq)


def test_a_folder_is_hidden_wherever_it_stands_and_only_there() -> None:
    places = Places({"run": "/a/b", "deep": "/a/b/c.d"})

    assert b"{run}/x {deep}/y {deep} /a/bc /x/a/b" == places.hide_bytes(
        b"/a/b/x /a/b/c.d/y /a/b/c.d /a/bc /x/a/b"
    )
    assert b"{other}/x /z" == Places({"other": "/a/b"}).hide_bytes(b"/a/b/x /z")
