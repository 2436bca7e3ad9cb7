"""Counts of parts are a commutative monoid, and no cut, order or process changes the whole."""

from __future__ import annotations

import json
import tempfile
from functools import reduce
from pathlib import Path

import msgspec
import pytest
from event_files import BAD_LINES, events, line
from hypothesis import given
from hypothesis import strategies as st

from soakproof.bulk import blocks, partial
from soakproof.bulk.blocks import parts
from soakproof.bulk.fold import count_part
from soakproof.bulk.layout import RELATIVE_ERROR, counts_of, in_range, quantiles
from soakproof.bulk.partial import NOTHING, Bad, Measured, Partial, Stretch, merge, merge_all
from soakproof.bulk.records import Words, decoder, expecting
from soakproof.checks.quantiles import nearest_rank
from soakproof.dice import stream
from soakproof.lines import BadLine, decode_telemetry
from soakproof.model import TelemetryEvent

pytestmark = pytest.mark.property

LONGEST_MS = 1e9

MEASURED = st.builds(
    lambda values, total: Measured(
        len(values),
        counts_of(in_range(sorted(values))),
        min(values, default=float("inf")),
        max(values, default=float("-inf")),
        total,
    ),
    st.lists(st.integers(0, 10**6).map(lambda value: value / 1000), max_size=5),
    st.integers(0, 10**12),
)
GROUPS = st.tuples(
    st.sampled_from(["event", "wait"]), st.integers(0, 9).map(str), st.sampled_from(["", "ok"])
)


def part(number: int) -> st.SearchStrategy[Partial]:
    """Return counts of a file of its own: no stretch may be counted twice."""
    bad = st.builds(Bad, st.just(number), st.just(0), st.integers(1, 99), st.just("torn"))
    return st.builds(
        lambda groups, bad: Partial(
            groups, {}, {(number, 0): Stretch(99, len(bad), 0)}, tuple(sorted(bad))
        ),
        st.dictionaries(GROUPS, MEASURED, max_size=8),
        st.lists(bad, max_size=6),
    )


@given(part(0), part(1), part(2))
def test_counts_are_a_commutative_monoid_also_where_they_are_bounded(
    one: Partial, two: Partial, three: Partial
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial, "KEPT_GROUPS", 3)
        patch.setattr(partial, "KEPT_BAD_LINES", 4)
        one, two, three = (merge(NOTHING, each) for each in (one, two, three))  # bounded

        assert merge(one, two) == merge(two, one)
        assert merge(merge(one, two), three) == merge(one, merge(two, three))
        assert merge(one, NOTHING) == one == merge(NOTHING, one)


@given(st.lists(st.floats(0, 1e8), min_size=1, max_size=300))
def test_a_quantile_is_never_below_and_barely_above_the_exact_one(values: list[float]) -> None:
    ordered = sorted(values)
    told = quantiles(counts_of(ordered))

    for name, value in told.items():
        exact = nearest_rank(ordered, float(name.removeprefix("p")) / 100)
        assert value is not None
        rounding = 1 + 1e-3
        assert exact / rounding - 1e-6 <= value <= exact * (1 + RELATIVE_ERROR) * rounding + 1e-6


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(0, 60),
    part_bytes=st.integers(1, 4000),
    ends=st.booleans(),
    blanks=st.booleans(),
)
def test_no_cut_and_no_order_changes_the_count(
    seed: int, size: int, part_bytes: int, ends: bool, blanks: bool
) -> None:
    dice = stream(seed, "events")
    lines = events(size, seed) + dice.sample(list(BAD_LINES.values()), dice.randint(0, 5))
    dice.shuffle(lines)
    if blanks:
        lines = [piece for one in lines for piece in (b"", one)]
    text = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(text)
        whole = merge_all(count_part(one, "telemetry") for one in parts(path, 0))
        cut = [count_part(one, "telemetry") for one in parts(path, 0, part_bytes)]
        dice.shuffle(cut)
        again = reduce(merge, cut, NOTHING)
        decoded = list(decode_telemetry(path))

    assert whole.groups == again.groups
    assert numbered(whole) == numbered(again)
    assert text.count(b"\n") + (not ends and bool(lines) and bool(lines[-1])) == sum(
        one.lines for one in again.stretches.values()
    )
    # The line-by-line reading of the stage extract, which looks at all that a line holds.
    bad = [(one.line, one.reason) for one in decoded if isinstance(one, BadLine)]
    assert bad == numbered(again)
    assert len(decoded) - len(bad) == sum(
        one.count for group, one in again.groups.items() if group[0] == "event"
    )


SPLIT = line("ast.cache.miss", args={"a": [{"b": 1}]})
"""An event to be cut at any byte."""

ODD = st.one_of(
    st.sampled_from([*BAD_LINES.values(), b"", b"\r", b"\r\r", b" ", b"{}", b"}", b"{", b"[]"]),
    st.sampled_from([1, 2, 3]).map(lambda times: b" ".join([SPLIT] * times)),
    # One event on two lines, also where the second begins as an event does, and with another
    # event behind it: as many events as lines, and no line that is one.
    st.tuples(st.integers(1, len(SPLIT) - 1), st.booleans()).map(
        lambda cut: SPLIT[: cut[0]] + b"\n" + SPLIT[cut[0] :] + (SPLIT if cut[1] else b"")
    ),
    st.sampled_from([b'"args":', b'"x":', b'"result":', b'"a":[']).map(
        lambda after: SPLIT.replace(after, after + b"\n") + SPLIT
    ),
    st.integers(1, len(SPLIT) - 1).map(lambda cut: SPLIT[:cut] + SPLIT),
    st.tuples(st.integers(0, len(SPLIT)), st.binary(min_size=1, max_size=3)).map(
        lambda at: SPLIT[: at[0]] + at[1] + SPLIT[at[0] :]
    ),
    st.tuples(st.integers(0, len(SPLIT) - 1), st.binary(min_size=1, max_size=1)).map(
        lambda at: SPLIT[: at[0]] + at[1] + SPLIT[at[0] + 1 :]
    ),
    st.sampled_from(
        [
            line(args={"n": 2**70}),
            line(timing_ms=2**70),
            line(timing_ms=-1),
            line(timing_ms=1e300),
            line(timing_ms=None),
            line(result={"status": 2**70}),
            line(result={"status": 1}),
            line(result={"status": "1"}),
            line(result={"status": True, "waited_ms": 3, "for": ["x"]}),
            line(result={"waited_ms": "soon", "for": None}),
            line(result={"waited_ms": 3.25, "for": ""}),
            line().replace(b"ast.cache.hit", b"ast.cache.\\u0068it"),
            line()[:-1] + b',"cmd":"twice"}',
            line("\x7f\xe9"),
            line("n" * 300),
        ]
    ),
)
WORDS = st.builds(
    lambda cmd, status, cause: line(
        f"cmd-{cmd}", result={"status": f"s{status}", "waited_ms": 1.5, "for": f"c{cause}"}
    ),
    *[st.integers(0, 80)] * 3,
)
PLAIN = st.sampled_from(events(40))


@given(
    lines=st.lists(st.one_of(PLAIN, PLAIN, WORDS, ODD), max_size=60),
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n\n\n"]),
    begin=st.sampled_from([b"", b"\n"]),
    last=st.sampled_from([b"", b"\n"]),
    block_bytes=st.sampled_from([1, 50, 700, 5000, 100_000]),
)
def test_whatever_is_in_a_file_the_fast_way_counts_what_each_line_alone_says(
    lines: list[bytes], end: bytes, begin: bytes, last: bytes, block_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK_BYTES", block_bytes)
        path = Path(folder) / "events.jsonl"
        path.write_bytes(begin + end.join(lines) + last)
        counted = count_part(parts(path, 0)[0], "telemetry")
        decoded = list(decode_telemetry(path))
        text = path.read_bytes()

    told = [one for one in decoded if isinstance(one, TelemetryEvent)]
    stretch = counted.stretches[0, 0]

    bad = [(one.line, one.reason) for one in decoded if isinstance(one, BadLine)]
    assert bad == numbered(counted)
    assert len(bad) == stretch.bad
    assert text.count(b"\n") + bool(text and not text.endswith(b"\n")) == stretch.lines
    assert stretch.lines - stretch.empty == len(decoded)
    assert alone(told) == {
        group: (one.count, sum(one.buckets.values()), one.total_ns)
        for group, one in counted.groups.items()
    }


@pytest.mark.parametrize("block_bytes", [1, 100, 331, 10_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_every_sort_of_bad_line_is_found_wherever_blocks_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, end: bytes
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", block_bytes)
    # A line of the same words before it: else the decoder would stop for one that is new.
    lines = [piece for bad in BAD_LINES.values() for piece in (*events(3), line(), bad)]
    (tmp_path / "events.jsonl").write_bytes(end.join(lines) + end)

    counted = count_part(parts(tmp_path / "events.jsonl", 0)[0], "telemetry")
    decoded = list(decode_telemetry(tmp_path / "events.jsonl"))

    bad = [(one.line, one.reason) for one in decoded if isinstance(one, BadLine)]
    assert len(BAD_LINES) == len(bad)
    assert bad == numbered(counted)


def alone(told: list[TelemetryEvent]) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    """Return (events, times in buckets, waits in ns) by group, from all that an event holds."""
    found: dict[tuple[str, str, str], tuple[int, int, int]] = {}

    def add(group: tuple[str, str, str], took_ms: float, *, summed: bool) -> None:
        count, timed, total_ns = found.get(group, (0, 0, 0))
        in_bucket = 0 <= took_ms <= LONGEST_MS
        more_ns = round(took_ms * 1e6) if summed and in_bucket else 0
        found[group] = (count + 1, timed + in_bucket, total_ns + more_ns)

    for event in told:
        status, cause = (word(event.result.get(name)) for name in ("status", "for"))
        waited_ms = event.result.get("waited_ms")
        add(("event", short(event.cmd), short(status or "")), event.timing_ms, summed=False)
        if isinstance(waited_ms, int | float) and not isinstance(waited_ms, bool):
            add(("wait", short(event.cmd), short(cause or "?")), float(waited_ms), summed=True)
    return found


def word(value: object) -> str | None:
    """Return a value as a group names it."""
    text = value is None or isinstance(value, str)
    return value if text else json.dumps(value, separators=(",", ":"), sort_keys=True)  # type: ignore[return-value]


def short(name: str) -> str:
    """Return a name as a group is called."""
    return name if len(name) <= 200 else f"{name[:200]}…"


@given(
    words=st.builds(Words, *[st.frozensets(st.text(max_size=4), max_size=4)] * 3),
    cmd=st.text(max_size=4),
    status=st.one_of(st.none(), st.text(max_size=4), st.integers(-9, 9)),
    cause=st.one_of(st.none(), st.text(max_size=4)),
)
def test_a_decoder_that_expects_words_reads_an_event_as_any_or_refuses_it(
    words: Words, cmd: str, status: str | int | None, cause: str | None
) -> None:
    text = line(cmd, result={"status": status, "for": cause})

    any_event = decoder("telemetry")(text)
    expected = (
        (not words.cmds or cmd in words.cmds)
        and (not words.statuses or not isinstance(status, str) or status in words.statuses)
        and (not words.causes or cause is None or cause in words.causes)
    )
    try:
        event = expecting(words)(text)
    except msgspec.ValidationError:
        event = None

    assert expected == (event is not None)
    if event is not None:
        told = [(one.cmd, one.result.status, one.result.cause) for one in (event, any_event)]
        assert [(cmd, status, cause)] * 2 == told


def numbered(counted: Partial) -> list[tuple[int, str]]:
    """Return (line of the whole file, reason) of the lines that cannot be read."""
    before, first = {}, 0
    for at, stretch in sorted(counted.stretches.items()):
        before[at] = first
        first += stretch.lines
    return [(before[bad.file, bad.start] + bad.line, bad.reason) for bad in counted.bad]
