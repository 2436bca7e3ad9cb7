import os
from pathlib import Path

import pytest
from trifecta_process import Trifecta

POSIX_LOCALE = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("sample", "bad_uri"),
        ("sym://python/mod/", "bad_uri"),
        ("sym://python/mod/..", "bad_uri"),
        ("sym://python/mod/../../etc/passwd", "bad_uri"),
        ("sym://python/mod/a..b", "bad_uri"),
        ("sym://python/mod/a\x01b", "bad_uri"),
        ("sym://python/mod/a\\b", "bad_uri"),
        ("sym://python/mod/" + "a" * 10_000, "bad_uri"),
        ("sym://python/mod/" + "a" * 300, "bad_uri"),
        ("sym://python/sort/sample", "bad_uri"),
        ("sym://cobol/mod/sample", "unknown_language"),
        ("sym://python/mod/nowhere", "unknown_module"),
        ("sym://python/mod/sample.deeper", "unknown_module"),
        ("sym://python/mod/\udcff", "bad_uri"),
    ],
)
def test_a_bad_question_is_told_what_was_expected(trifecta: Trifecta, uri: str, kind: str) -> None:
    answer = trifecta.run("ast", "symbols", uri, "--segment", str(trifecta.root))

    assert answer.code == 2
    assert answer.json["status"] == "error"
    assert answer.json["error"]["kind"] == kind
    assert {"expected", "found", "where", "hint"} <= set(answer.json["error"])
    assert answer.err.count("\n") == 1
    assert trifecta.event("ast.symbols")["result"]["kind"] == kind


@pytest.mark.parametrize("folder", ["nowhere", "sample.py", "sample.py/x"])
def test_a_segment_that_is_none_is_refused(trifecta: Trifecta, folder: str) -> None:
    for command in (
        ["ast", "symbols", "sym://python/mod/sample"],
        ["ast", "cache-stats"],
        ["ctx", "sync"],
        ["ctx", "search", "--query", "x"],
    ):
        answer = trifecta.run(*command, "--segment", str(trifecta.root / folder))

        assert (answer.code, answer.json["error"]["kind"]) == (2, "no_segment")
        assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["ast"],
        ["ast", "symbols"],
        ["ast", "symbols", "--telemetry", "loud", "sym://python/mod/sample"],
        ["ast", "symbols", "--nonsense", "sym://python/mod/sample"],
        ["ctx", "search"],
        ["ctx", "search", "--query", "x", "--limit", "0"],
        ["ctx", "search", "--query", "x", "--limit", "many"],
    ],
)
def test_bad_usage_is_exit_2_and_one_line(trifecta: Trifecta, arguments: list[str]) -> None:
    answer = trifecta.run(*arguments)

    assert (answer.code, answer.json["error"]["kind"]) == (2, "usage")
    assert answer.err.count("\n") == 1


def test_a_folder_and_a_pipe_named_like_modules_are_refused(trifecta: Trifecta) -> None:
    (trifecta.root / "x.py").mkdir()
    os.mkfifo(trifecta.root / "pipe.py")
    for module in ("x", "pipe"):
        answer = trifecta.symbols(module)

        assert (answer.code, answer.json["error"]["kind"]) == (2, "not_a_file")


def test_a_link_out_of_the_segment_is_refused_and_one_within_followed(
    trifecta: Trifecta, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("def secret(): pass\n")
    (trifecta.root / "out.py").symlink_to(secret)
    (trifecta.root / "folder").symlink_to(tmp_path)
    (trifecta.root / "within.py").symlink_to("sample.py")
    (trifecta.root / "loop.py").symlink_to("loop.py")
    for module in ("out", "folder.secret"):
        answer = trifecta.symbols(module)

        assert (answer.code, answer.json["error"]["kind"]) == (2, "outside_segment")
    assert trifecta.symbols("within").json["path"] == "within.py"
    assert trifecta.symbols("loop").code == 2


@pytest.mark.parametrize("env", [{}, POSIX_LOCALE], ids=["utf8", "posix"])
@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("bom", b"\xef\xbb\xbfdef a(): pass\n", ["a"]),
        ("utf8", "def ä(): 'Grüße'\n".encode(), ["ä"]),
        ("latin", b"# -*- coding: latin-1 -*-\ndef \xe4(x='\xfc'): pass\n", ["ä"]),
        ("cp1252", b"#!/x\n# vim: set fileencoding=cp1252 :\ndef a(): '\x80'\n", ["a"]),
        ("empty", b"", []),
        ("crlf", b"def a():\r\n    pass\r\n\r\nclass B: pass\r\n", ["a", "B"]),
        ("cr", b"def a():\r    pass\rclass B: pass\r", ["a", "B"]),
        ("warns", b"def a(): return '\\d' is 1\n", ["a"]),
        ("long", b"def a(): pass\n" * 50_000, ["a"] * 50_000),
    ],
)
def test_whatever_python_reads_is_read(
    trifecta: Trifecta, name: str, content: bytes, names: list[str], env: dict[str, str]
) -> None:
    trifecta.write(f"{name}.py", content)
    miss, hit = trifecta.symbols(name, env=env), trifecta.symbols(name, env=env)

    assert (miss.code, miss.err) == (0, "")
    assert miss.names == names
    assert hit.out == miss.out


@pytest.mark.parametrize("env", [{}, POSIX_LOCALE], ids=["utf8", "posix"])
@pytest.mark.parametrize(
    ("content", "kind", "line", "col"),
    [
        (b"x = 1\ndef broken(:\n", "syntax_error", 2, 11),
        (b"if x:\npass\n", "syntax_error", 2, 0),
        (b"a = 1\nb = '\xff'\n", "encoding_error", 2, 5),
        (b"# coding: nonsense\n", "encoding_error", 1, 0),
        (b"\x7fELF\x00\x01\x02", "null_byte", 1, 4),
    ],
)
def test_what_does_not_parse_is_an_error_with_its_place(
    trifecta: Trifecta, content: bytes, kind: str, line: int, col: int, env: dict[str, str]
) -> None:
    trifecta.write("bad.py", content)
    for _ in range(2):
        answer = trifecta.symbols("bad", env=env)
        error = answer.json["error"]

        assert answer.code == 3
        assert answer.json["path"] == "bad.py"
        assert (error["kind"], error["line"], error["col"]) == (kind, line, col)
        assert answer.err.count("\n") == 1
        assert f"bad.py:{line}: " in answer.err
    assert "ast.cache.write" not in trifecta.commands()
    assert "ast.cache.hit" not in trifecta.commands()


def test_nesting_beyond_the_parser_is_said_so(trifecta: Trifecta) -> None:
    trifecta.write("deep.py", "x = " + "-" * 200_000 + "1\n")
    answer = trifecta.symbols("deep")

    assert answer.code == 3
    assert answer.json["error"]["kind"] in {"too_deep", "syntax_error"}
