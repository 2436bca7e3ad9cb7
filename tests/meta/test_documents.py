from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from soakproof.cli import ARGUMENTS, FLAGS
from soakproof.commands import COMMANDS
from soakproof.faults.registry import KINDS
from soakproof.model import EXIT_CODES
from soakproof.rundir import RunDir
from soakproof.schema import load_schema
from soakproof.tasks import ns

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("packages/*/*.md"), *CHECKOUT.glob("docs/**/*.md")]
)
REPORTS = CHECKOUT / "docs" / "reports"
"""Written by the record stage: it may not be there yet, and its prose is not ours to judge."""
PROSE = [page for page in PAGES if REPORTS not in page.parents]


def read(*parts: str) -> str:
    return CHECKOUT.joinpath(*parts).read_text("utf-8")


def nox_sessions() -> dict[str, str | None]:
    """Return session → docstring, from the noxfile's syntax: nox is not installed in the tests."""
    return {
        node.name: ast.get_docstring(node)
        for node in ast.parse(read("noxfile.py")).body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def test_every_command_is_documented() -> None:
    page = read("docs", "reference", "cli.md")
    rows = re.findall(r"^\| `([a-z]+)` \|", page.partition("## Flags")[0], re.MULTILINE)

    assert sorted(COMMANDS) == sorted(rows)


def test_every_flag_is_documented_with_the_commands_that_have_it() -> None:
    page = read("docs", "reference", "cli.md")
    documented = {
        flag.removeprefix("--").replace("-", "_"): cell
        for flag, cell in re.findall(r"^\| `(--[a-z-]+)[^`]*` \| ([^|]+) \|", page, re.MULTILINE)
    }

    assert sorted(FLAGS) == sorted(documented)
    for flag, cell in documented.items():
        named = set(COMMANDS) if cell == "every command" else set(re.findall(r"`(\w+)`", cell))

        assert set(FLAGS[flag].commands) == named, f"commands of --{flag}"


def test_the_invoke_tasks_are_the_commands_with_the_same_flags() -> None:
    tasks = {
        # ``in`` is a keyword, so the argument is called ``in_``; the flag is ``--in``.
        name: {argument.name.rstrip("_") for argument in ns[name].get_arguments()}
        for name in ns.task_names
    }

    assert {
        command: {
            *(name for name, spec in FLAGS.items() if command in spec.commands),
            *(name for name, spec in ARGUMENTS.items() if command in spec.commands),
        }
        for command in COMMANDS
    } == tasks


def test_every_nox_session_is_documented_and_has_one_line_of_help() -> None:
    sessions = nox_sessions()
    page = read("docs", "reference", "cli.md").partition("## nox sessions")[2]

    assert sorted(sessions) == sorted(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE))
    assert [] == [name for name, text in sessions.items() if not text or "\n" in text]


def test_the_exit_codes_of_verdicts_are_documented() -> None:
    for page in (read("README.md"), read("docs", "reference", "cli.md")):
        for verdict, code in EXIT_CODES.items():
            assert re.search(rf"^\|.*\b{verdict}\b.*\|", page, re.MULTILINE)
            assert re.search(rf"^\|.*\b{code}\b.*\|", page, re.MULTILINE)


def test_every_file_of_a_run_is_documented() -> None:
    page = read("docs", "reference", "files.md")
    files = [
        getattr(RunDir(Path("run")), name).name
        for name, value in vars(RunDir).items()
        if isinstance(value, property) and name not in {"run_id", "path"}
    ]

    assert [] == [name for name in files if f"`{name}" not in page]


def test_every_schema_is_documented() -> None:
    page = read("docs", "reference", "files.md")
    schemas = sorted(path.name for path in (CHECKOUT / "schemas").glob("*.json"))

    assert [] == [name for name in schemas if f"schemas/{name}" not in page]


def fault_schemas() -> dict[str, dict[str, Any]]:
    """Return kind of fault → what its parameters are."""
    faults = load_schema("campaign")["properties"]["faults"]["items"]
    assert sorted(KINDS) == sorted(faults["properties"]["kind"]["enum"])
    return {
        one["if"]["properties"]["kind"]["const"]: one["then"]["properties"]
        for one in faults["allOf"]
    }


def test_every_fault_has_a_schema_and_a_section() -> None:
    page = read("docs", "reference", "faults.md")

    assert sorted(KINDS) == sorted(fault_schemas())
    assert list(KINDS) == re.findall(r"^## `(\w+)`$", page, re.MULTILINE)
    assert list(KINDS) == re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_and_mode_of_a_fault_is_documented(kind: str) -> None:
    page = read("docs", "reference", "faults.md")
    section = page.partition(f"## `{kind}`\n")[2].partition("\n## ")[0]
    properties = fault_schemas()[kind]
    modes = properties.get("modes", {}).get("items", {}).get("enum", [])
    named = [*(name for name in properties if name != "kind"), *modes]

    assert [] == [name for name in named if f"`{name}`" not in section]


def test_the_campaign_of_faults_has_every_fault() -> None:
    campaign = tomllib.loads(read("eval", "campaigns", "ast_cache_faults.toml"))

    assert set(KINDS) == {fault["kind"] for fault in campaign["faults"]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    targets = [page.parent / link for link in links if not re.match(r"[a-z]+:", link)]
    made_by_a_soak = REPORTS.resolve()

    assert [] == [
        str(target)
        for target in targets
        if not target.exists() and made_by_a_soak not in target.resolve().parents
    ]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_a_line_of_prose_is_one_sentence(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if line and not line.startswith(("|", "#", " "))]
    numbered = [line for line in lines if not re.match(r"\d+\.|[-*] ", line)]

    assert [] == [line for line in numbered if re.search(r"[a-z)`][.!] +[A-Z`]", line)]


def test_news_fragments_have_a_kind_and_say_something() -> None:
    fragments = [
        path
        for path in (CHECKOUT / "docs" / "changelog.d").iterdir()
        if path.name not in {"README.md", ".gitkeep"}
    ]
    kinds = re.compile(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md")

    assert [] == [path.name for path in fragments if not kinds.fullmatch(path.name)]
    assert [] == [path.name for path in fragments if not path.read_text("utf-8").strip()]


def test_decisions_are_numbered_without_gaps() -> None:
    pages = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))

    assert [f"{n:04d}" for n in range(1, len(pages) + 1)] == [page.name[:4] for page in pages]
    for number, page in enumerate(pages, 1):
        assert page.read_text("utf-8").startswith(f"# {number}. ")
