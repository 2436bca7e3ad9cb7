import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from trifecta_process import Trifecta, held

SHORT = {"TRIFECTA_LOCK_TIMEOUT_MS": "150"}


@pytest.fixture
def corpus(trifecta: Trifecta) -> Trifecta:
    trifecta.write("pkg/store.py", "class KeyValueStore:\n    def fetch_row(self, key): ...\n")
    trifecta.write("pkg/net.py", "def open_socket(host):\n    return host\n")
    trifecta.write("docs/guide.md", "# Guide\n\nHow to fetch a row from the store.\n")
    trifecta.write("_ctx/ignored.md", "fetch row fetch row\n")
    trifecta.write(".hidden/ignored.py", "def fetch_row(): ...\n")
    trifecta.write("data.txt", "fetch row\n")
    return trifecta


def paths(trifecta: Trifecta, query: str, *args: str) -> list[str]:
    answer = trifecta.search(query, *args)
    assert (answer.code, answer.err) == (0, "")
    return [hit["path"] for hit in answer.json["hits"]]


def test_definitions_come_first_and_other_folders_never(corpus: Trifecta) -> None:
    answer = corpus.search("fetch_row")

    assert answer.json["query"] == "fetch_row"
    assert [hit["path"] for hit in answer.json["hits"]] == ["pkg/store.py", "docs/guide.md"]
    first = answer.json["hits"][0]
    assert (first["line"], first["snippet"]) == (2, "    def fetch_row(self, key): ...")


@pytest.mark.parametrize("query", ["KeyValueStore", "key value", "keyvaluestore", "value_store"])
def test_identifiers_are_found_by_their_parts(corpus: Trifecta, query: str) -> None:
    assert paths(corpus, query)[0] == "pkg/store.py"


@pytest.mark.parametrize(
    "query", ["", "   ", '"', "***", "AND", "a OR", "NEAR(", "ü", "'; --", "^"]
)
def test_no_query_is_a_syntax_error(corpus: Trifecta, query: str) -> None:
    assert corpus.search(query).code == 0


def test_limit_and_human(corpus: Trifecta) -> None:
    assert len(paths(corpus, "fetch", "--limit", "1")) == 1
    human = corpus.search("fetch_row", "--human").out.decode()

    assert human.splitlines()[0] == "pkg/store.py:2: def fetch_row(self, key): ..."


def test_cold_warm_and_after_edits_the_answer_is_the_same(corpus: Trifecta) -> None:
    cold = corpus.search("fetch row store").out
    warm = corpus.search("fetch row store").out
    corpus.write("pkg/new.py", "def fetch_row_store(): ...\n" * 20)
    changed = corpus.search("fetch row store").out
    (corpus.root / "pkg/new.py").unlink()
    back = corpus.search("fetch row store").out

    assert cold == warm == back
    assert changed != cold
    sources = [e["result"]["source"] for e in corpus.events() if e["cmd"] == "ctx.search"]
    assert sources == ["synced", "index", "synced", "synced"]


def test_only_changed_files_are_read_again(corpus: Trifecta) -> None:
    def sync() -> tuple[int, int, int]:
        done = corpus.run("ctx", "sync", "--segment", str(corpus.root)).json
        return done["files"], done["read"], done["removed"]

    assert sync() == (4, 4, 0)
    assert sync() == (4, 0, 0)
    corpus.write("pkg/net.py", "def other(): ...\n")
    (corpus.root / "docs/guide.md").unlink()
    assert sync() == (3, 1, 1)


def test_an_edit_of_the_same_size_and_time_is_noticed(corpus: Trifecta) -> None:
    path = corpus.root / "pkg/net.py"
    stamp = path.stat()
    assert paths(corpus, "socket") == ["pkg/net.py"]
    path.write_text(path.read_text().replace("socket", "potato"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert paths(corpus, "socket") == []
    assert paths(corpus, "potato") == ["pkg/net.py"]


def test_a_lock_held_for_ever_costs_an_event(corpus: Trifecta) -> None:
    with held(corpus.ctx_db.with_name(corpus.ctx_db.name + ".lock")):
        answer = corpus.search("fetch_row", env=SHORT)

    assert answer.code == 0
    assert answer.out == corpus.search("fetch_row").out
    assert corpus.event("ctx.index.lock_timeout")["result"]["for"] == "file_lock"


@pytest.mark.parametrize("content", [b"", b"rubbish" * 9000])
def test_a_broken_index_is_set_aside(corpus: Trifecta, content: bytes) -> None:
    right = corpus.search("fetch_row").out
    corpus.ctx_db.write_bytes(content)

    assert corpus.search("fetch_row").out == right
    assert Path(corpus.event("ctx.index.recovered")["result"]["set_aside"]).exists()
    assert corpus.search("fetch_row").out == right


def test_a_file_in_the_place_of_the_cache_harms_nothing(corpus: Trifecta) -> None:
    corpus.write(".trifecta", "in the way")

    assert paths(corpus, "fetch_row") == ["pkg/store.py", "docs/guide.md"]
    assert corpus.event("ctx.index.degraded")["result"]["reason"] == "not_a_folder"


def test_links_out_of_the_segment_are_not_searched(corpus: Trifecta, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("def secret_word(): ...\n")
    (corpus.root / "link.py").symlink_to(tmp_path / "secret.py")
    (corpus.root / "up").symlink_to(tmp_path)

    assert paths(corpus, "secret_word") == []


def test_undecodable_files_are_searched_as_far_as_they_go(corpus: Trifecta) -> None:
    corpus.write("odd.py", b"def findable(): '\xff\xfe\x00'\n")
    corpus.write("latin.py", b"# coding: latin-1\ndef gr\xfc\xdfe(): ...\n")

    assert paths(corpus, "findable") == ["odd.py"]
    assert paths(corpus, "grüße") == ["latin.py"]


def test_integrity_after_it_all(corpus: Trifecta) -> None:
    corpus.search("fetch")
    with contextlib.closing(sqlite3.connect(corpus.ctx_db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_small_change_is_answered_before_the_lock_is_had(corpus: Trifecta) -> None:
    corpus.search("fetch_row")
    corpus.write("pkg/more.py", "def fetch_row_again(): ...\n")
    corpus.forget_events()
    lock = corpus.ctx_db.with_name(corpus.ctx_db.name + ".lock")
    with corpus.start("ctx", "search", "--query", "fetch_row_again") as process:
        with held(lock):
            assert process.stdout is not None
            line = process.stdout.readline()  # comes while the lock is ours
        assert process.wait(60) == 0

    assert b"pkg/more.py" in line
    assert corpus.event("ctx.search")["result"]["source"] in {"memory", "synced"}
    assert corpus.search("fetch_row_again").out == line


@pytest.mark.parametrize("descriptors", range(5, 14))
def test_few_descriptors_never_leave_a_file_out_in_silence(
    corpus: Trifecta, descriptors: int
) -> None:
    whole = corpus.search("fetch_row").json
    cold = corpus.limited(descriptors, "ctx", "search", "--query", "fetch_row")
    corpus.write("pkg/new.py", "def fetch_row_again(): ...\n")
    changed = corpus.search("fetch_row", env={"TRIFECTA_LOCK_TIMEOUT_MS": "0"}).json
    shutil.rmtree(corpus.root / ".trifecta")
    anew = corpus.limited(descriptors, "ctx", "search", "--query", "fetch_row")

    for expected, limited in ((whole, cold), (changed, anew)):
        if limited.code == 0:  # below some number not even the interpreter starts
            assert expected == limited.json
