import json
import subprocess
import sys

import pytest
from trifecta_process import Trifecta


def test_symbols_come_with_everything_the_contract_names(trifecta: Trifecta) -> None:
    answer = trifecta.symbols("sample")

    assert answer.code == 0
    assert answer.err == ""
    assert answer.json["symbols"] == [
        {
            "kind": "function",
            "name": "plain",
            "qualname": "plain",
            "line": 5,
            "end_line": 12,
            "col": 0,
            "signature": "(a, b=1, *rest, key: int = 2, **more) -> int",
            "decorators": [],
            "doc": "Say something.",
            "async": False,
            "visibility": "public",
        },
        {
            "kind": "function",
            "name": "nested",
            "qualname": "plain.<locals>.nested",
            "line": 10,
            "end_line": 11,
            "col": 4,
            "signature": "()",
            "decorators": [],
            "doc": None,
            "async": False,
            "visibility": "public",
        },
        {
            "kind": "class",
            "name": "Shape",
            "qualname": "Shape",
            "line": 16,
            "end_line": 22,
            "col": 0,
            "signature": "(Base, metaclass=Meta)",
            "decorators": ["decorated(1)"],
            "doc": None,
            "async": False,
            "visibility": "public",
        },
        {
            "kind": "async_method",
            "name": "_draw",
            "qualname": "Shape._draw",
            "line": 17,
            "end_line": 18,
            "col": 4,
            "signature": "(self, /, x)",
            "decorators": [],
            "doc": None,
            "async": True,
            "visibility": "private",
        },
        {
            "kind": "method",
            "name": "__len__",
            "qualname": "Shape.__len__",
            "line": 22,
            "end_line": 22,
            "col": 8,
            "signature": "(self)",
            "decorators": ["property"],
            "doc": None,
            "async": False,
            "visibility": "dunder",
        },
    ]


def test_a_hit_is_the_same_bytes_as_a_miss_and_as_no_cache(trifecta: Trifecta) -> None:
    uri = "sym://python/mod/sample"
    uncached = trifecta.run("ast", "symbols", uri, "--segment", str(trifecta.root))

    assert not trifecta.ast_db.exists()
    assert trifecta.commands() == ["ast.symbols"]
    miss, hit = trifecta.symbols("sample"), trifecta.symbols("sample")

    assert uncached.out == miss.out == hit.out
    assert trifecta.commands()[1:] == [
        "ast.cache.miss",
        "ast.cache.write",
        "ast.symbols",
        "ast.cache.hit",
        "ast.symbols",
    ]


def test_a_hit_neither_opens_the_lock_nor_changes_a_file(trifecta: Trifecta) -> None:
    trifecta.symbols("sample")
    lock = trifecta.ast_db.with_name(trifecta.ast_db.name + ".lock")
    lock.unlink()

    def state() -> list[tuple[str, int, int]]:
        found = [(path.name, path.stat()) for path in trifecta.ast_db.parent.iterdir()]
        return [(name, stat.st_ctime_ns, stat.st_size) for name, stat in found]

    before = state()
    trifecta.symbols("sample")

    assert state() == before


def test_every_event_says_whose_it_is_and_the_last_how_many(trifecta: Trifecta) -> None:
    trifecta.symbols("sample", env={"TRIFECTA_RUN_ID": "r1", "TRIFECTA_OP_ID": "op7"})
    events = trifecta.events()

    for event in events:
        assert list(event) == [
            *("ts", "run_id", "segment_id", "cmd", "args", "result", "timing_ms", "warnings", "x")
        ]
        assert (event["run_id"], event["segment_id"], event["x"]["op"]) == ("r1", "segment", "op7")
    assert [event["x"]["seq"] for event in events] == [1, 2, 3]
    assert len({event["x"]["pid"] for event in events}) == 1
    assert events[0]["result"]["reason"] == "no_database"
    assert events[-1]["x"]["events"] == 3


@pytest.mark.parametrize(
    "extra", [{"TRIFECTA_NO_TELEMETRY": "1"}, {"TRIFECTA_TELEMETRY_DIR": "elsewhere"}]
)
def test_telemetry_goes_where_the_environment_says(
    trifecta: Trifecta, extra: dict[str, str]
) -> None:
    assert trifecta.symbols("sample", env=extra).code == 0
    assert not trifecta.log.exists()
    elsewhere = trifecta.root / "elsewhere" / "events.jsonl"
    assert elsewhere.exists() == ("TRIFECTA_TELEMETRY_DIR" in extra)


def test_telemetry_off_says_nothing(trifecta: Trifecta) -> None:
    trifecta.symbols("sample", "--telemetry", "off")

    assert not trifecta.log.exists()


def test_the_environment_turns_the_cache_on(trifecta: Trifecta) -> None:
    uri = "sym://python/mod/sample"
    trifecta.run("ast", "symbols", uri, env={"TRIFECTA_AST_PERSIST": "1"})

    assert trifecta.ast_db.exists()


def test_an_edit_of_the_same_size_and_time_is_noticed(trifecta: Trifecta) -> None:
    import os

    path = trifecta.write("one.py", "def aaa(): pass\n")
    stamp = path.stat()
    assert trifecta.symbols("one").names == ["aaa"]
    path.write_text("def bbb(): pass\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert trifecta.symbols("one").names == ["bbb"]
    reasons = [e["result"]["reason"] for e in trifecta.events() if e["cmd"] == "ast.cache.miss"]
    assert reasons == ["no_database", "content_changed"]


def test_packages_and_the_src_layout_are_found(trifecta: Trifecta) -> None:
    trifecta.write("pkg/__init__.py", "def top(): pass\n")
    trifecta.write("pkg/mod.py", "def inner(): pass\n")
    trifecta.write("src/lib/core.py", "def core(): pass\n")

    assert trifecta.symbols("pkg").json["path"] == "pkg/__init__.py"
    assert trifecta.symbols("pkg.mod").names == ["inner"]
    assert trifecta.symbols("lib.core").json["path"] == "src/lib/core.py"


def test_clear_cache_and_stats_tell_what_happened(trifecta: Trifecta) -> None:
    for _ in range(3):
        trifecta.symbols("sample")
    stats = trifecta.run("ast", "cache-stats", "--segment", str(trifecta.root)).json

    assert (stats["entries"], stats["hits"], stats["misses"], stats["writes"]) == (1, 2, 1, 1)
    assert stats["wal_bytes"] == 0
    cleared = trifecta.run("ast", "clear-cache", "--segment", str(trifecta.root)).json
    assert cleared["cleared"] == 1
    stats = trifecta.run("ast", "cache-stats", "--segment", str(trifecta.root)).json
    assert stats["entries"] == 0


def test_about_names_the_installed_folder(trifecta: Trifecta) -> None:
    about = trifecta.run("about").json

    assert about["package_dir"].endswith("trifecta")
    assert about["grammar"] == f"python-{sys.version_info[0]}.{sys.version_info[1]}"


def test_version_and_help(trifecta: Trifecta) -> None:
    assert trifecta.run("--version").out.startswith(b"trifecta 0.")
    for arguments in (["--help"], ["ast", "symbols", "--help"], ["ctx", "search", "--help"]):
        answer = trifecta.run(*arguments)

        assert answer.code == 0
        assert b"usage:" in answer.out


def test_a_reader_that_went_away_is_no_traceback(trifecta: Trifecta) -> None:
    with trifecta.start("ast", "symbols", "sym://python/mod/sample") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        code = process.wait()

    assert b"Traceback" not in err
    assert code in {0, 1}


def test_an_answer_that_cannot_be_written_is_not_called_given(trifecta: Trifecta) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "trifecta", "ast", "symbols", "sym://python/mod/sample"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=trifecta.environment(),
            cwd=trifecta.root,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert b"cannot be written" in done.stderr


def test_the_answer_is_one_line_of_ascii(trifecta: Trifecta) -> None:
    trifecta.write("uni.py", 'def ünï(ä="é\\n"):\n    "Grüße \\ud800"\n')
    answer = trifecta.symbols("uni")

    assert answer.out.isascii()
    assert answer.out.count(b"\n") == 1
    assert json.loads(answer.out)["symbols"][0]["signature"] == '(ä="é\\n")'


def test_a_type_uri_asks_for_one_definition_and_what_is_in_it(trifecta: Trifecta) -> None:
    def ask(name: str) -> list[str]:
        uri = f"sym://python/type/sample:{name}"
        answers = [trifecta.run("ast", "symbols", uri, "--persist-cache") for _ in range(2)]
        assert answers[0].out == answers[1].out
        return answers[0].names

    assert ask("Shape") == ["Shape", "Shape._draw", "Shape.__len__"]
    assert ask("Shape._draw") == ["Shape._draw"]
    assert ask("plain.<locals>.nested") == ask("plain.nested") == ["plain.<locals>.nested"]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("sym://python/type/sample:Sha", "unknown_symbol"),
        ("sym://python/type/sample", "bad_uri"),
        ("sym://python/type/sample:", "bad_uri"),
        ("sym://python/type/nowhere:X", "unknown_module"),
        ("sym://go/mod/a.py", "bad_uri"),
        ("sym://go/mod/../a.go", "bad_uri"),
        ("sym://go/type/a.go:X", "bad_uri"),
    ],
)
def test_a_bad_type_or_file_uri_is_refused(trifecta: Trifecta, uri: str, kind: str) -> None:
    answer = trifecta.run("ast", "symbols", uri, "--persist-cache")

    assert (answer.code, answer.json["error"]["kind"]) == (2, kind)


def test_a_namespace_package_has_no_symbols_of_its_own(trifecta: Trifecta) -> None:
    trifecta.write("spaced/mod.py", "def f(): pass\n")
    (trifecta.root / "empty").mkdir()
    answer = trifecta.symbols("spaced")

    assert (answer.json["path"], answer.json["namespace"], answer.names) == ("spaced/", True, [])
    assert trifecta.symbols("empty").code == 2
    trifecta.write("spaced/__init__.py", "def own(): pass\n")
    assert trifecta.symbols("spaced").names == ["own"]


def test_another_language_is_answered_or_its_package_named(trifecta: Trifecta) -> None:
    trifecta.write("cmd/main.go", "package main\n\nfunc main() {}\n")
    uri = "sym://go/mod/cmd/main.go"
    answer = trifecta.run("ast", "symbols", uri, "--persist-cache")
    if "go" in trifecta.run("about").json["languages"]:
        assert answer.names == ["main"]
        assert trifecta.run("ast", "symbols", uri, "--persist-cache").out == answer.out
    else:
        assert (answer.code, answer.json["error"]["kind"]) == (2, "language_not_installed")
        assert "trifecta[languages]" in answer.err
