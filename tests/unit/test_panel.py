"""The panel is what its page says, its programs know its names, and a wrong reason is a miss."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from soakproof import schema
from soakproof.checks.criteria import judge_all
from soakproof.errors import UsageError
from soakproof.fleet.grid import parse_seeds
from soakproof.model import Verdict
from soakproof.report.panel import panel_lines
from soakproof.selftest import toy
from soakproof.selftest.needs import fitted, lack, pad
from soakproof.selftest.panel import PANEL, Defect, Family, Need, choose
from soakproof.selftest.plots import Plot, toy_subject
from soakproof.selftest.scoring import Seen, score, skip
from soakproof.selftest.site import site_of
from soakproof.selftest.wrapper.call import Kind
from soakproof.selftest.wrapper.registry import DEFECTS
from soakproof.stages.repeat import Repeated, Seeded
from soakproof.toml_text import toml_text

CHECKOUT = Path(__file__).resolve().parents[2]


def named(family: Family, *, control: bool = False) -> set[str]:
    return {one.name for one in PANEL if one.family is family and one.control is control}


def test_the_panel_is_large_and_has_both_families_and_a_control_of_each() -> None:
    assert len(named(Family.WRAPPER) | named(Family.CACHE)) >= 24
    assert len(PANEL) == len({defect.name for defect in PANEL})
    assert {"slow"} == named(Family.WRAPPER, control=True)
    assert {"bad_disk", "sound"} == named(Family.CACHE, control=True)


def test_the_programs_know_the_panels_defects() -> None:
    assert named(Family.WRAPPER) | {"slow"} == DEFECTS
    assert named(Family.CACHE) | {"bad_disk"} == set(toy.DEFECTS)


def test_every_criterion_that_the_panel_names_is_in_both_gates() -> None:
    wanted = {name for defect in PANEL for name in (*defect.expects, *defect.beside)}
    gates = [(CHECKOUT / "eval/gates/ast_cache_faults.toml").read_bytes(), toy_subject().gate]
    for gate in gates:
        known = {one["id"] for one in tomllib.loads(gate.decode())["criteria"]}

        assert set() == wanted - known


def test_the_page_has_the_panels_table() -> None:
    page = (CHECKOUT / "docs" / "selftest.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]

    assert {one.name: set(one.expects) for one in PANEL} == {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in rows
    }
    assert {one.name: set(one.beside) for one in PANEL} == {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[3])) for row in rows
    }


def test_the_small_caches_files_are_what_their_schemas_say() -> None:
    subject = toy_subject()

    schema.check(subject.campaign, "campaign", "toy_campaign.toml")
    schema.check(subject.target, "target", "toy_target.toml")
    schema.check(tomllib.loads(subject.gate.decode()), "gate", "toy_gate.toml")


@pytest.mark.parametrize("defect", PANEL, ids=lambda defect: defect.name)
def test_the_campaign_of_each_defect_is_one(defect: Defect) -> None:
    plot = Plot(Path("plot"), defect, toy_subject())
    made = tomllib.loads(toml_text(plot.campaign()))

    schema.check(made, "campaign", defect.name)
    assert made == plot.campaign()


# What a target has nothing for.


def plain_target(**more: Any) -> dict[str, Any]:
    operation = {"argv": ["{key}"], "keys": "files", "depends": "key", "answer": "text"}
    cache = {"directory": "{segment}/.c", "roles": [{"role": "entry", "glob": "e-*"}]}
    return {"operations": {"check": operation}, "cache": cache} | more


def lacks(target: dict[str, Any]) -> dict[str, str]:
    told = {one.name: lack(one, target, ["check"]) for one in PANEL}
    return {name: why for name, why in told.items() if why}


IN_EVENTS = (Need.TELEMETRY, Need.LOCK_WAITS, Need.LOCK_TIMEOUTS)
TOLD = {one.name for one in PANEL if {*one.needs} & {*IN_EVENTS}}


def test_a_target_without_telemetry_skips_what_lies_in_events_and_nothing_else() -> None:
    assert 10 == len(TOLD)
    assert {*TOLD, "never_hits"} == lacks(plain_target()).keys()
    assert TOLD == lacks(plain_target(hits={"stream": "stderr", "pattern": "hit"})).keys()
    assert {"the target has no telemetry"} == {lacks(plain_target())[name] for name in TOLD}


def test_the_panels_own_target_skips_nothing() -> None:
    subject = toy_subject()

    assert {""} == {lack(one, subject.target, subject.kinds) for one in PANEL}


@pytest.mark.parametrize(
    ("roles", "skipped"),
    [
        ([{"role": "entry", "glob": "*"}], {"leaks"}),
        ([{"role": "entry", "glob": "*"}, {"role": "rest", "glob": "b"}], {"leaks"}),
        ([{"role": "database", "glob": "*.db"}], {"grows"}),
        ([{"role": "one", "glob": "one"}], {"grows"}),
        ([{"role": "entry", "glob": "??/*"}], set()),
        ([{"role": "entry", "glob": "a/[ab]*"}], {"grows"}),
    ],
)
def test_what_the_roles_leave_room_for(roles: list[dict[str, str]], skipped: set[str]) -> None:
    cache = {"directory": "{segment}/.c", "roles": roles, "integrity": ["database"]}

    assert skipped == lacks(plain_target(cache=cache)).keys() - {*TOLD, "never_hits"}


def test_a_file_that_grows_plays_a_part() -> None:
    cache = {"roles": [{"role": "entry", "glob": "??/*"}, {"role": "lock", "glob": "lock"}]}

    assert fnmatch.fnmatchcase(pad(cache), "??/*")


def test_half_a_text_may_be_a_wrong_answer_half_a_document_may_not() -> None:
    truncated = next(one for one in PANEL if one.name == "truncated")
    target = plain_target()
    target["operations"]["json"] = target["operations"]["check"] | {"answer": "json"}

    assert ("no_missing_answer",) == fitted(truncated, target, ["json"]).expects
    assert {"no_missing_answer", "no_wrong_answer"} == set(
        fitted(truncated, target, ["json", "check"]).expects
    )


def test_what_is_skipped_is_told_apart_and_not_caught() -> None:
    row = skip(defect("no_lost_event"), "the target has no telemetry").document()
    document = {"rows": [row], "caught": 0, "defects": 0, "skipped": 1, "controls": 0}
    document |= {"controls_passed": 0, "seconds": 3.0, "target": "toy"}
    text = panel_lines(document, width=80, colour=True)

    assert (False, True, None) == (row["caught"], row["skipped"], row["verdict"])
    assert "planted: skipped, the target has no telemetry" in text
    assert "\x1b" not in text, "no alarm"
    assert "0 of 0 defects caught, 1 skipped, 0 of 0 controls passed" in text


def test_the_wrapper_is_told_how_each_kind_answers(tmp_path: Path) -> None:
    target = plain_target(normalise={"rules": [{"pattern": "a", "replace": "b"}]})
    target["operations"] = {
        "build": {"argv": ["{op}"], "answer": "file", "answer_file": "{cache}/{op}.out"},
        "lint": {"argv": ["{key}"], "answer_stream": "stderr", "answer_exit_codes": [0, 99]},
    }
    cache = target["cache"]["directory"] = "{scratch}/{run_id}"
    site = site_of(
        target, run_id="r", segment=tmp_path / "s", telemetry=tmp_path / "t", scratch=tmp_path / "x"
    )

    assert (f"{tmp_path}/x/r", f"{tmp_path}/x") == (site["cache"], site["cache_base"]), cache
    assert Kind("file", f"{tmp_path}/x/r/{{op}}.out", [0], 99, "", names_op=True) == Kind(
        **site["kinds"]["build"]
    )
    assert Kind("stderr", "", [0, 99], 98, "", names_op=False) == Kind(**site["kinds"]["lint"])
    assert [["a", "b"]] == site["rules"]


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        choose(["truncated", "nonsense"])


# The score.


def defect(*expects: str, beside: tuple[str, ...] = ()) -> Defect:
    return Defect(
        name="planted", family=Family.WRAPPER, about="wrong", expects=expects, beside=beside
    )


def seen(
    red: Sequence[str], planted: Sequence[int] = (7,), first: int | None = None, **more: Any
) -> Seen:
    names = ("no_wrong_answer", "no_leftovers", "no_broken_cache", "lock_wait")
    criteria = [
        {"id": name, "verdict": "FAIL" if name in red else "PASS", "reason": "", "observed": 1}
        for name in names
    ]
    verdict = {"verdict": "FAIL" if red else "PASS", "criteria": criteria} | more
    told = None if first is None else {"op": f"op-{first:06d}"}
    metrics = {"ops": {"ops_total": 64}, "answers": {"first": told}}
    return Seen(verdict, metrics, planted, 1.0)


@pytest.mark.parametrize(
    ("planted", "found", "caught", "words"),
    [
        (defect("no_wrong_answer"), seen(["no_wrong_answer"]), True, "no_wrong_answer"),
        (defect("no_wrong_answer"), seen(["no_wrong_answer"], first=7), True, "no_wrong_answer"),
        (defect("no_wrong_answer"), seen(["no_wrong_answer"], first=3), False, "operation 3"),
        (defect("no_wrong_answer"), seen([]), False, "missed: no_wrong_answer is PASS"),
        (defect("no_wrong_answer"), seen([], planted=()), False, "never came to it"),
        (defect("no_wrong_answer"), seen(["no_leftovers"]), False, "wrong reason: no_leftovers"),
        (
            defect("no_wrong_answer"),
            seen(["no_wrong_answer", "no_leftovers"]),
            False,
            "wrong reason beside: no_leftovers",
        ),
        (
            defect("no_wrong_answer", beside=("no_broken_cache",)),
            seen(["no_wrong_answer", "no_broken_cache"]),
            True,
            "",
        ),
        (
            defect("no_wrong_answer", beside=("no_broken_cache",)),
            seen(["no_broken_cache"]),
            False,
            "missed",
        ),
        (defect("no_wrong_answer", "lock_wait"), seen(["lock_wait"]), True, "lock_wait"),
        (defect("no_such"), seen(["no_leftovers"]), False, "the gate has no criterion no_such"),
        (defect("no_such"), Seen(None, None, (), 1.0, "it hung"), False, "no verdict: it hung"),
        (defect(), seen([]), True, ""),
        (defect(), seen(["no_leftovers"]), False, "no_leftovers is FAIL"),
    ],
)
def test_caught_only_for_its_reason(planted: Defect, found: Seen, caught: bool, words: str) -> None:
    row = score(planted, found)

    assert (caught, True) == (row.caught, words in row.why), row.why


def test_the_operations_until_caught_are_those_up_to_the_first_planted() -> None:
    caught = score(defect("no_wrong_answer"), seen(["no_wrong_answer"], planted=(9, 4), first=4))
    whole = score(defect("no_leftovers"), seen(["no_leftovers"], planted=(4,)))
    missed = score(defect("no_wrong_answer"), seen([]))

    assert (5, 5, None) == (
        caught.ops_until_caught,
        whole.ops_until_caught,
        missed.ops_until_caught,
    )


def test_the_table_says_what_was_missed_and_why() -> None:
    rows = [
        score(defect("no_wrong_answer"), seen(["no_wrong_answer"])).document(),
        score(defect("no_leftovers"), seen([])).document(),
        score(defect(), seen(["lock_wait"])).document(),
    ]
    document = {"rows": rows, "caught": 1, "defects": 2, "controls": 1, "controls_passed": 0}
    text = panel_lines(
        document | {"seconds": 3.0, "target": "toy"}, width=80, colour=False
    ).splitlines()

    assert ["caught", "MISSED", "ALARM"] == [line.split()[0] for line in text[1:4]]
    assert "planted: missed: no_leftovers is PASS, observed 1" in text
    assert "1 of 2 defects caught, 0 of 1 controls passed, 3 s, target toy" == text[-1]


def test_a_gate_without_a_criterion_cannot_catch_its_defect() -> None:
    gate: dict[str, Any] = {"criteria": []}
    verdict = {
        "verdict": "PASS",
        "criteria": [
            {"id": one.criterion, "verdict": one.verdict, "reason": "", "observed": None}
            for one in judge_all(gate, {"run": {"state": "completed"}})
        ],
    }
    row = score(defect("no_wrong_answer"), Seen(verdict, None, (7,), 1.0))

    assert (False, "the gate has no criterion no_wrong_answer") == (row.caught, row.why)


# Many seeds.


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1..4", [1, 2, 3, 4]),
        ("7", [7]),
        ("5..6,2,6", [5, 6, 2]),
        ("0", [0]),
    ],
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert seeds == parse_seeds(text)


@pytest.mark.parametrize("text", ["", "3..1", "a", "1..", "-1", "1,,2"])
def test_what_are_no_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds: expected seeds such as"):
        parse_seeds(text)


def of(verdict: Verdict, *, stable: bool = True) -> Seeded:
    return Seeded(1, verdict, "", stable, None, 1.0)


@pytest.mark.parametrize(
    ("seeds", "code"),
    [
        ([of(Verdict.PASS), of(Verdict.PASS)], 0),
        ([of(Verdict.PASS), of(Verdict.UNKNOWN)], 11),
        ([of(Verdict.UNKNOWN), of(Verdict.FAIL)], 10),
        ([of(Verdict.FAIL), of(Verdict.PASS, stable=False)], 12),
    ],
)
def test_the_seeds_verdicts_compose_and_one_that_changes_is_worse(
    seeds: list[Seeded], code: int
) -> None:
    assert code == Repeated(tuple(seeds)).exit_code
