"""The report of a run: what it says is what the verdict says, and a browser shows it."""

from __future__ import annotations

import html
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from chromium import Chromium, chromium_path, started
from soaker import Soaker
from synthetic_run import HOSTILE, Shape, write_record

from soakproof.report.pictures.gallery import NAMES
from soakproof.rundir import Project, RunDir

pytestmark = pytest.mark.process

Make = Callable[..., Soaker]


def reported(soaker: Make, shape: Shape) -> tuple[Soaker, RunDir]:
    """Plan a run, write its record, count, judge and report it."""
    made = soaker()
    assert made("clean", "--campaign", "toy", "--ops", str(shape.ops)).returncode == 0
    run = Project(made.root).open_run(None)
    write_record(run, shape)
    assert made("extract").returncode == 0
    made("gate")
    done = made("report")
    assert done.returncode == 0, done.stderr
    return made, run


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    if chromium_path() is None:
        pytest.skip("no Chromium on PATH: nobody looked at the page")
    with started(tmp_path / "profile") as made:
        yield made


def shown(value: Any) -> str:
    if value is None:
        return "absent"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def expected_gate(verdict: dict[str, Any]) -> list[list[str]]:
    return [
        [
            *(each["verdict"], each["id"], each["rule"]),
            *(shown(each[name]) for name in ("observed", "limit", "samples", "floor")),
            each["reason"] + each["why"],
        ]
        for each in verdict["criteria"]
    ]


GATE_CELLS = """[...document.querySelectorAll("#gate tbody tr")].map(
    (row) => [...row.cells].map((cell) => cell.textContent))"""


def test_the_same_run_gives_the_same_bytes(soaker: Make) -> None:
    made, run = reported(soaker, Shape(60, faults=5, fail=0.1))
    files = [run.report, run.report_markdown, run.junit, *sorted(run.pictures.glob("*.svg"))]
    before = [path.read_bytes() for path in files]

    assert 3 + len(NAMES) == len(files)
    made("report")
    assert before == [path.read_bytes() for path in files]


def test_hostile_text_stays_text(soaker: Make) -> None:
    shape = Shape(80, faults=15, fail=0.2, info=0.1, error=HOSTILE, key=HOSTILE)
    _, run = reported(soaker, shape)
    page = run.report.read_text("utf-8")

    assert 1 == page.count("<script>") == page.count("</script>")
    assert "<img" not in page
    assert html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page
    markdown = run.report_markdown.read_text("utf-8")
    assert "<script" not in re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", markdown)


def test_junit_has_a_case_for_each_criterion(soaker: Make) -> None:
    made, run = reported(soaker, Shape(60, fail=0.1, waits=0.0, error=HOSTILE + "\x1b"))
    cases = ET.fromstring(run.junit.read_bytes()).findall(".//testcase")  # noqa: S314 - our own
    said = {"FAIL": "failure", "UNKNOWN": "error", "PASS": None}

    found = {
        case.get("name"): next((e.tag for e in case if e.tag != "system-out"), None)
        for case in cases
    }
    criteria = made.document("verdict.json")["criteria"]
    assert {one["id"]: said[one["verdict"]] for one in criteria} == found
    assert {"FAIL", "UNKNOWN"} <= {one["verdict"] for one in criteria}


def test_a_step_summary_is_appended(soaker: Make, tmp_path: Path) -> None:
    made, _ = reported(soaker, Shape(20))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", "utf-8")
    made("report", GITHUB_STEP_SUMMARY=str(summary))
    text = summary.read_text("utf-8")

    assert text.startswith("before\n# ")
    assert [] == [
        one["id"]
        for one in made.document("verdict.json")["criteria"]
        if f"`{one['id']}`" not in text
    ]


def test_a_report_without_a_verdict_says_what_makes_one(soaker: Make) -> None:
    made = soaker()
    made("clean", "--campaign", "toy")
    done = made("report")

    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "soakproof gate" in done.stderr


def test_stored_runs_are_listed_and_a_broken_one_does_not_end_the_list(soaker: Make) -> None:
    made = soaker()
    assert [] == json.loads(made("runs", "--json").stdout)
    made.soak()
    made("clean", "--campaign", "toy", "--run-id", "planned")
    made("clean", "--campaign", "toy", "--run-id", "torn")
    (made.run_dir / "plan.json").write_bytes(b'{"created')
    rows = {row["run_id"]: row for row in json.loads(made("runs", "--json").stdout)}

    assert 3 == len(rows)
    assert (16, None) == (rows["planned"]["ops_planned"], rows["planned"]["verdict"])
    assert "plan.json" in rows["torn"]["problem"]
    assert ["PASS"] == [row["verdict"] for row in rows.values() if row["verdict"]]
    listed = made("runs").stdout
    assert all(word in listed for word in ("PASS", "not judged", "broken", "planned", "torn"))


def test_open_says_where_the_report_is(soaker: Make) -> None:
    made, run = reported(soaker, Shape(10))
    # A browser that does nothing: what is opened is seen on its command line only.
    done = made("open", run.run_id, BROWSER=f"{sys.executable} -c pass %s")

    assert (0, f"report: _ctx/runs/{run.run_id}/report.html\n") == (done.returncode, done.stdout)
    run.report.unlink()
    missing = made("open", run.run_id)
    assert (2, True) == (missing.returncode, "soakproof report" in missing.stderr)


def test_every_command_speaks_json(soaker: Make) -> None:
    made = soaker()
    planned = ("clean", "--campaign", "toy")
    for command in (planned, ("anchors",), ("run",), ("expect",), ("extract",)):
        assert json.loads(made(*command, "--json").stdout)
    assert "PASS" == json.loads(made("gate", "--json").stdout)["verdict"]
    assert "report" in json.loads(made("report", "--json").stdout)
    assert "log" in json.loads(made("record", "--json").stdout)


def test_the_record_has_the_page_and_its_pictures_until_a_run_has_none(soaker: Make) -> None:
    made = soaker()
    made.soak()
    made("report")
    assert made("record").returncode == 0
    reports = made.root / "docs" / "reports"
    page = reports / "toy.html"

    assert page.read_bytes() == (made.run_dir / "report.html").read_bytes()
    images = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (reports / "toy.md").read_text("utf-8"))
    assert [f"toy/{name}.svg" for name in NAMES] == images
    assert all((reports / image).is_file() for image in images)
    made("gate", "--gate", "eval/gates/toy.toml")
    other = made.run_dir / "report.html"
    other.write_bytes(
        other.read_bytes()
        .replace(b"soakproof:verdict-sha256", b"x")
        .replace(re.findall(rb'verdict-sha256" content="(\w+)', page.read_bytes())[0], b"0" * 64)
    )
    assert made("record").returncode == 12
    other.unlink()
    assert made("record").returncode == 0
    assert [] == [*reports.glob("*.html"), *reports.glob("toy/*.svg")]


def test_a_browser_shows_what_the_verdict_says(soaker: Make, browser: Chromium) -> None:
    shape = Shape(300, faults=20, fail=0.05, error=HOSTILE, key=HOSTILE)
    made, run = reported(soaker, shape)
    browser.open(run.report, width=1280)

    assert expected_gate(made.document("verdict.json")) == browser.script(GATE_CELLS)
    assert "FAIL" == browser.script("document.getElementById('verdict').textContent")
    drawn = "[...document.querySelectorAll('figure svg')].map((svg) => svg.getBBox().width > 600)"
    assert [True] * len(NAMES) == browser.script(drawn)
    assert [] == browser.told("Runtime.exceptionThrown", "Log.entryAdded")
    assert [] == browser.told("Runtime.consoleAPICalled")
    urls = {sent["request"]["url"] for sent in browser.told("Network.requestWillBeSent")}
    assert {run.report.as_uri()} == {url for url in urls if not url.startswith("data:")}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(
    soaker: Make, browser: Chromium, width: int, dark: bool
) -> None:
    _, run = reported(soaker, Shape(200, faults=30, fail=0.05, error="x" * 150, key="k" * 300))
    browser.open(run.report, width=width, dark=dark)

    assert width == browser.script("document.documentElement.scrollWidth")
    # Headings, cards, figures: one after the other, none over another.
    blocks = "[...document.querySelectorAll('header, section, #gate tbody tr, figure')]"
    overlapping = f"""{blocks}.flatMap((one, at, all) => {{
        const next = all[at + 1];
        if (!next || one.contains(next)) return [];
        return one.getBoundingClientRect().bottom > next.getBoundingClientRect().top + 1
            ? [one.outerHTML.slice(0, 80)] : [];
    }})"""
    assert [] == browser.script(overlapping)


def test_text_stands_off_its_ground(soaker: Make, browser: Chromium) -> None:
    _, run = reported(soaker, Shape(100, fail=0.1, waits=0.0))
    script = """[...document.querySelectorAll("p, th, td, h1 *, h2, a, dt, dd, code, .badge")]
      .filter((e) => e.offsetParent && e.textContent.trim() && !e.closest(".skip")).map((e) => {
        const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
          .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
        let ground = e;
        const paint = () => getComputedStyle(ground).backgroundColor;
        while (rgb(paint())[3] === 0) ground = ground.parentElement;
        const [a, b] = [getComputedStyle(e).color, getComputedStyle(ground).backgroundColor]
          .map(rgb).map(light);
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      }).reduce((least, one) => Math.min(least, one), 99)"""
    for dark in (False, True):
        browser.open(run.report, width=1280, dark=dark)
        assert browser.script(script) >= 4.5


def test_without_javascript_the_page_says_the_same(soaker: Make, browser: Chromium) -> None:
    made, run = reported(soaker, Shape(60))
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(run.report, width=1280)

    assert expected_gate(made.document("verdict.json")) == browser.script(GATE_CELLS)
    assert len(NAMES) == browser.script("document.querySelectorAll('figure svg').length")
    assert 0 == browser.script("document.querySelectorAll('button, select, output').length")


def test_filter_legend_zoom_and_readout(soaker: Make, browser: Chromium) -> None:
    made, run = reported(soaker, Shape(300, fail=0.05))
    browser.open(run.report, width=1280)
    browser.script("""const choice = document.getElementById("gate-filter");
        choice.value = "open"; choice.dispatchEvent(new Event("change"));""")
    left = browser.script("""[...document.querySelectorAll("#gate tbody tr")]
        .filter((row) => !row.hidden).map((row) => row.cells[1].textContent)""")
    criteria = made.document("verdict.json")["criteria"]
    assert [one["id"] for one in criteria if one["verdict"] != "PASS"] == left

    assert (
        browser.script("""(() => {
        const figure = document.getElementById("operations");
        const entry = figure.querySelector("[data-toggles=m-hit]");
        entry.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
        const hidden = figure.querySelector("path.m-hit:not(.entry *)");
        return [entry.getAttribute("aria-pressed"), getComputedStyle(hidden).visibility].join();
    })()""")
        == "false,hidden"
    )

    assert browser.script("""(() => {
        const region = document.querySelector("#latency .scroll");
        region.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
        return document.querySelector("#latency output").textContent;
    })()""").startswith("0.00 to ")

    wider = """(() => {
        const svg = document.querySelector("#latency svg"), before = svg.clientWidth;
        document.querySelector("#latency .tools button:last-child").click();
        return svg.getBoundingClientRect().width > before * 1.4
            && document.documentElement.scrollWidth === innerWidth;
    })()"""
    assert browser.script(wider)
    assert [] == browser.told("Runtime.exceptionThrown", "Log.entryAdded")


def test_it_can_be_printed(soaker: Make, browser: Chromium) -> None:
    _, run = reported(soaker, Shape(100, faults=5))
    browser.open(run.report, width=1280)
    printed = browser.pdf()

    assert printed.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 30


@pytest.mark.slow
def test_a_hundred_thousand_operations_fit_in_a_page(
    soaker: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    made, run = reported(soaker, Shape(100_000, faults=300, fail=0.01, info=0.01))
    began = time.monotonic()
    assert made("report").returncode == 0
    with capsys.disabled():
        size = run.report.stat().st_size
        # Told, not asserted.
        sys.stdout.write(f" [{size:,} bytes in {time.monotonic() - began:.1f} s]")

    assert run.report.stat().st_size < 5_000_000
    assert 100_000 == sum(
        int(count.replace(",", ""))
        for count in re.findall(
            r'class="key">(?:hit|miss|ok, no lookup told|info: may have happened|fail) ([\d,]+)<',
            (run.pictures / "operations.svg").read_text("utf-8"),
        )
    )
