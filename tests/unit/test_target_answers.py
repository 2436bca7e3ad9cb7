"""What counts as an answer: a whole JSON document, by whichever decoder reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soakproof.model import Operation, Outcome, Phase
from soakproof.targets.target import Places, Target

DOCUMENT: dict[str, Any] = {
    "operations": {"ask": {"argv": ["ask", "{key}", "--in", "{segment}"], "keys": "files"}},
    "environment": {"TOY_OP": "{op}", "TOY_MODE": "fast"},
    "cache": {"directory": "{segment}/cache"},
}
OPERATION = Operation(3, Phase.WARM, "ask", "a{op}.txt", first_ask=False)


def target() -> Target:
    return Target(DOCUMENT, ("/bin/toy",), Places("run", Path("/s"), Path("/t"), Path("/x")))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b'{"status": "ok", "found": [1]}', Outcome.OK),
        (b'{"found": 1}', Outcome.OK),
        (b"[]", Outcome.OK),
        (b'{"found": NaN}', Outcome.OK),  # only one of the two decoders takes these three
        (b'\xef\xbb\xbf{"found": 1}', Outcome.OK),
        ('{"found": "ü"}'.encode("utf-16"), Outcome.OK),
        (b'{"status": "error"}', Outcome.FAIL),
        (b'{"status": "ok"', Outcome.FAIL),
        (b'{"status": "ok"} {}', Outcome.FAIL),
        (b'{"found": "\xff"}', Outcome.FAIL),
        (b"12", Outcome.FAIL),
        (b"null", Outcome.FAIL),
        (b"[" * 100_000, Outcome.FAIL),
        (b"", Outcome.FAIL),
    ],
)
def test_only_a_whole_document_that_says_no_error_is_an_answer(
    answer: bytes, outcome: Outcome
) -> None:
    assert outcome == target().judge(OPERATION, 0, answer)[0]


def test_an_operation_gets_its_own_variables_and_no_other_of_their_family() -> None:
    base = {"PATH": "/bin", "TOY_DEBUG": "1", "TOY_OP": "mine"}

    assert {"PATH": "/bin"} == target().left_of(base)
    assert {"TOY_OP": "op-000003", "TOY_MODE": "fast"} == target().own_env(OPERATION)
    assert {"PATH": "/bin", "TOY_OP": "op-000003", "TOY_MODE": "fast"} == target().env(
        OPERATION, base
    )


def test_only_placeholders_are_filled() -> None:
    assert "/bin/toy" == target().argv(OPERATION)[0]
    assert ("--in", "/s") == target().argv(OPERATION)[-2:]
