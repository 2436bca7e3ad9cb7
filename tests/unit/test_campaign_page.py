from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from soakproof.fleet.result import failed_result
from soakproof.fleet.summary import summarise
from soakproof.report.html.campaign import campaign_page

HOSTILE = "<script>alert(1)</script> & \"quoted\" 'too'"
COULD = frozenset(
    {"fault/kill/fired", "fault/kill/took_effect", "mode/kill/wal", "edit/touch", "edit/rewrite"}
)
SEEN = {
    "fault/kill/fired": 3,
    "fault/kill/took_effect": 2,
    "fault/kill/skipped": 1,
    "overlap/lock_hold": 7,
    "fault/lock_hold/fired": 4,
    "edit/touch": 5,
    "wait/file_lock": 6,
}


class Page(HTMLParser):
    """What a browser would make of it: rows of tables by id, open tags, references."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.ids: list[str] = []
        self.links: list[str] = []
        self.styled = 0
        self.scripts = 0
        self._table = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [one] if (one := given.get("id")) else []
        self.links += [given[name] or "" for name in ("href", "src") if name in given]
        self.styled += "style" in given
        self.scripts += tag == "script"
        if tag == "table":
            self._table = given["id"] or ""
            self.rows[self._table] = []
        if tag == "tr":
            self.rows[self._table].append([])
        if tag in {"td", "th"}:
            self.rows[self._table][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and "table" in self.open and {"td", "th"} & set(self.open):
            self.rows[self._table][-1][-1] += data.strip()


def summary(*, words: str = "w", case: str | None = None, **changes: Any) -> dict[str, Any]:
    spec = {
        "schema_version": 1,
        "name": "c-0123456789",
        "soakproof_version": "0",
        "campaign": "c",
        "seeds": "1..2",
        "grid": {"workers": ["2", "4"]},
        "points": 2,
        "flags": {"campaign": "eval/campaigns/c.toml", "target_command": "tool --fast"},
        "asked_sha256": "0" * 64,
    }
    results = {}
    for seed in (1, 2):
        name = f"seed-{seed}"
        asked: dict[str, Any] = {"seed": seed, "grid": {}, "case": case}
        one = failed_result(name, asked, replay=["replay", "it"], reason="", attempts=1)
        results[name] = one | {"verdict": "PASS", "unmet": [], "reached": SEEN}
    results["seed-2"] |= {
        "verdict": "FAIL",
        "words": words,
        "unmet": [
            {"criterion": "right", "verdict": "FAIL", "reason": "observed 1", "explanation": "e"}
        ],
        **changes,
    }
    return summarise(spec, results, {"": COULD}, state="completed", elapsed_s=1.0)


def test_the_page_needs_no_other_file_and_runs_nothing_but_its_own_script() -> None:
    text = campaign_page(summary())
    page = Page(text)

    assert [] == page.open
    assert len(page.ids) == len(set(page.ids))
    assert 0 == page.styled, "the policy allows no style but the page's own"
    assert 1 == page.scripts
    assert all(link.startswith("#") or link == "data:," for link in page.links), page.links
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content.group(1).encode()).digest()).decode()
        assert f"{directive} &#39;sha256-{digest}&#39;" in text.replace("'", "&#39;")


def test_the_same_summary_is_the_same_page() -> None:
    assert campaign_page(summary()) == campaign_page(summary())


def test_what_a_subject_printed_is_text() -> None:
    text = campaign_page(summary(words=HOSTILE))

    assert "<script>alert" not in text
    assert 1 == Page(text).scripts
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_what_was_reached_and_what_never_was() -> None:
    page = Page(campaign_page(summary()))

    assert [
        ["UNKNOWN", "rewrite", "0"],
        ["PASS", "touch", "10"],
    ] == page.rows["edits"][1:]
    assert [["UNKNOWN", "kill", "wal", "0"]] == page.rows["modes"][1:]
    assert [
        ["PASS", "kill", "6", "4", "0", "2", ""],
        ["PASS", "lock_hold", "8", "0", "0", "0", "14"],
    ] == page.rows["faults"][1:]
    assert [["PASS", "file_lock", "12"]] == page.rows["waits"][1:]
    assert ["UNKNOWN", "all_reached", "2"] == page.rows["gate"][-1][:3]


def test_the_worst_verdict_of_each_value_of_the_grid() -> None:
    page = Page(campaign_page(summary(grid={"workers": "2"})))

    assert [
        ["FAIL", "workers", "2", "0", "1", "0"],
        ["none yet", "workers", "4", "0", "0", "0"],
    ] == page.rows["grid"][1:]


@pytest.mark.parametrize(
    ("case", "line"),
    [
        (None, "replay it"),
        ("eval/seeds/t/one.json", "soakproof replay eval/seeds/t/one.json --no-record"),
    ],
)
def test_each_failure_has_the_line_that_shows_it_again(case: str | None, line: str) -> None:
    text = campaign_page(summary(case=case))

    assert f"<code>{line}</code>" in text


def test_the_line_of_the_campaign_can_be_pasted() -> None:
    text = campaign_page(summary())

    assert (
        "soakproof campaign --campaign eval/campaigns/c.toml --seeds 1..2 --grid workers=2,4 "
        "--target-command &#39;tool --fast&#39;"
    ) in text


def test_a_name_that_somebody_gave_is_in_the_line_too() -> None:
    told = summary()
    told["campaign"] = {**told["campaign"], "name": "tonight"}

    assert "--name tonight</code>" in campaign_page(told)
    assert "--name" not in campaign_page(summary())
