"""What a warm answer may import: this is the architecture, so a test holds it."""

import subprocess
import sys

from trifecta_process import Trifecta

FORBIDDEN = {
    "_ast",
    "argparse",
    "ast",
    "collections",
    "dataclasses",
    "datetime",
    "fcntl",
    "filelock",
    "functools",
    "json",
    "pathlib",
    "re",
    "sqlite3",
    "trifecta.guarded",
    "trifecta.sqlite_cache",
    "trifecta.python_symbols",
    "typing",
}


QUESTION = ("ast", "symbols", "sym://python/mod/sample", "--persist-cache")


def imported(trifecta: Trifecta) -> set[str]:
    script = "import sys; sys.argv[0] = 'trifecta'\nfrom trifecta.__main__ import entry\nentry()\n"
    arguments = QUESTION
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script, *arguments],
        capture_output=True,
        env=trifecta.environment(),
        cwd=trifecta.root,
        timeout=60,
        check=True,
    )
    lines = done.stderr.decode().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def test_a_hit_imports_nothing_that_it_does_not_need(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"],
        capture_output=True,
        env=trifecta.environment(),
        timeout=60,
        check=True,
    )
    lines = bare.stderr.decode().splitlines()
    anyway = {line.rpartition("|")[2].strip() for line in lines}
    extra = imported(trifecta) - anyway

    assert "trifecta.peek" in extra
    assert extra & FORBIDDEN == set()


def test_the_module_form_shows_no_forbidden_import_either(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "trifecta", *QUESTION],
        capture_output=True,
        env=trifecta.environment(),
        cwd=trifecta.root,
        timeout=60,
        check=True,
    )
    names = {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}

    assert names & {"ast", "argparse", "filelock", "json", "typing"} == set()
