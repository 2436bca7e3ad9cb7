"""A bundle of a real soak: verified as it is, and broken however it is tampered with."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from soaker import HANG_GUARD_S, Soaker
from tampering import Tampering, numbers, reseal, tamperings
from toy_project import make_project

from soakproof import schema
from soakproof.dice import stream
from soakproof.rundir import as_json
from soakproof.verifier.verify import Verified, verify_bundle

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).resolve().parents[2]
TAMPERINGS = 240
SEED = 5


@dataclass
class Recorded:
    """A project with a recorded soak.

    Args:
        soaker: runs commands in it.
        bundle: the evidence.
        key: the private key that signed it.
        public: its public half.
        printed: everything the commands printed.
    """

    soaker: Soaker
    bundle: Path
    key: Path
    public: Path
    printed: str = ""


def make_key(path: Path) -> tuple[Path, Path]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    private = Ed25519PrivateKey.generate()
    own = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.write_bytes(own)
    path.with_suffix(".pub.pem").write_bytes(public)
    return path, path.with_suffix(".pub.pem")


def soaked(
    root: Path, *, signed: bool, defect: str = "", episodes: bool = False
) -> Iterator[Recorded]:
    gate = CHECKOUT / "eval/gates" / ("ast_cache_faults.toml" if episodes else "ast_cache.toml")
    key, public = make_key(root / "team.pem")
    env = {"SOAKPROOF_SIGNING_KEY_FILE": str(key)} if signed else {}
    soaker = Soaker(make_project(root / "project", gate, defect=defect))
    try:
        soaker.soak(*(("--campaign", "toy_faults", "--ops", "60") if episodes else ("--ops", "24")))
        done = soaker("record", **env)
        assert 0 == done.returncode, done.stderr
        bundle = soaker.root / "_ctx" / "evidence" / soaker.run_dir.name
        yield Recorded(soaker, bundle, key, public, done.stdout + done.stderr)
    finally:
        soaker.close()


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Soak the toy and record it without a key."""
    yield from soaked(tmp_path_factory.mktemp("unsigned"), signed=False)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Soak the toy and record it with a key."""
    yield from soaked(tmp_path_factory.mktemp("signed"), signed=True)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Soak the toy under faults and edits, and record it without a key."""
    yield from soaked(tmp_path_factory.mktemp("episodes"), signed=False, episodes=True)


def said(verified: Verified) -> str:
    return "\n".join(map(str, verified.findings))


def copied(bundle: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(bundle, place)
    return place


def test_a_recorded_pass_verifies_and_says_what_it_does_not_prove(unsigned: Recorded) -> None:
    done = unsigned.soaker("verify", unsigned.bundle.name)

    assert (0, "") == (done.returncode, done.stderr)
    assert f"VERIFIED PASS  run {unsigned.bundle.name}\n" in done.stdout
    assert "none: it is not signed" in done.stdout
    assert "- who made it: it is not signed" in done.stdout
    found = json.loads(unsigned.soaker("verify", str(unsigned.bundle), "--json").stdout)
    assert (True, "PASS", [], None) == (
        found["verified"],
        found["verdict"],
        found["findings"],
        found["signed_by"],
    )


def test_every_document_of_a_bundle_is_what_its_schema_says(signed: Recorded) -> None:
    for file, name in (("MANIFEST.json", "manifest"), ("attestation.dsse.json", "envelope")):
        schema.check(json.loads((signed.bundle / file).read_bytes()), name, file)


def test_episodes_of_faults_and_edits_are_read_twice_alike(episodes: Recorded) -> None:
    metrics = json.loads((episodes.bundle / "metrics.json").read_bytes())
    verdict = json.loads((episodes.bundle / "verdict.json").read_bytes())
    verified = verify_bundle(episodes.bundle)

    assert ("", verdict["exit_code"]) == (said(verified), verified.exit_code)
    assert {"cold", "warm", "storm", "after"} <= metrics["cache"].keys()
    assert metrics["answers"]["after_checked"] > 0
    assert b'"type":"edit"' in (episodes.bundle / "history.jsonl").read_bytes()


@pytest.mark.parametrize("kind", ["unsigned", "signed", "episodes"])
def test_tampering_is_always_found_and_named(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    recorded: Recorded = request.getfixturevalue(kind)
    assert "" == said(verify_bundle(recorded.bundle))
    survived = []
    each = tamperings(recorded.bundle, stream(SEED, kind))
    for tampering in itertools.islice(each, TAMPERINGS):
        place = copied(recorded.bundle, tmp_path / "bundle")
        tampering.apply(place)
        verified = verify_bundle(place)
        if not is_named(tampering, verified):
            survived.append((tampering.name, verified.exit_code, said(verified)))

    assert [] == survived


def test_a_field_of_the_manifest_under_another_name_is_named(
    unsigned: Recorded, tmp_path: Path
) -> None:
    manifest = json.loads((unsigned.bundle / "MANIFEST.json").read_bytes())
    for field in manifest:
        place = copied(unsigned.bundle, tmp_path / "bundle")
        renamed = {f"x{name}" if name == field else name: manifest[name] for name in manifest}
        (place / "MANIFEST.json").write_bytes(as_json(renamed))
        verified = verify_bundle(place)

        assert 12 == verified.exit_code
        named = {(one.file, one.where) for one in verified.findings}
        assert {("MANIFEST.json", field), ("MANIFEST.json", f"x{field}")} <= named, field


def is_named(tampering: Tampering, verified: Verified) -> bool:
    return 12 == verified.exit_code and any(
        one.file == tampering.named and one.where.startswith(tampering.where)
        for one in verified.findings
    )


@pytest.mark.parametrize("kind", ["unsigned", "episodes"])
@pytest.mark.parametrize("name", ["metrics.json", "verdict.json"])
def test_every_single_number_is_held_to_the_raw_lines(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    recorded: Recorded = request.getfixturevalue(kind)
    whole = json.loads((recorded.bundle / name).read_bytes())
    place = copied(recorded.bundle, tmp_path / "bundle")
    survived = []
    for where in numbers(whole):
        document = json.loads((recorded.bundle / name).read_bytes())
        *parents, last = where
        inner = document
        for part in parents:
            inner = inner[part]
        inner[last] += 1
        for file in ("metrics.json", "verdict.json"):
            shutil.copyfile(recorded.bundle / file, place / file)
        (place / name).write_bytes(as_json(document))
        reseal(place)
        if 12 != verify_bundle(place).exit_code:
            survived.append(where)

    assert [] == survived


def test_a_fail_verifies_as_a_fail(tmp_path: Path) -> None:
    for recorded in soaked(tmp_path, signed=False, defect="fickle"):
        done = recorded.soaker("verify", recorded.bundle.name)

        assert 10 == done.returncode, done.stdout
        assert f"VERIFIED FAIL  run {recorded.bundle.name}\n" in done.stdout


@pytest.mark.parametrize("episodes", [False, True])
@pytest.mark.parametrize("defect", ["lose", "tear", "twice", "invent", "crash", "empty_answer"])
def test_two_readings_of_a_bad_run_agree(tmp_path: Path, defect: str, *, episodes: bool) -> None:
    for recorded in soaked(tmp_path, signed=False, defect=defect, episodes=episodes):
        verified = verify_bundle(recorded.bundle)

        assert ("", 10) == (said(verified), verified.exit_code)


@pytest.mark.parametrize("defect", ["fickle", "crash", "empty_answer"])
def test_a_counter_example_is_found_again(tmp_path: Path, defect: str) -> None:
    for recorded in soaked(tmp_path, signed=False, defect=defect):
        for stage in ("expect", "extract", "gate", "record"):
            recorded.soaker(stage)
        first = json.loads((recorded.bundle / "metrics.json").read_bytes())["answers"]["first"]
        verified = verify_bundle(recorded.bundle)

        assert ("", 10) == (said(verified), verified.exit_code)
        assert first["answer"] in {"wrong", "crashed", "missing"}
        for field, value in (("op", "op-000999"), ("answer", "stale"), ("key", "another")):
            place = copied(recorded.bundle, tmp_path / "bundle")
            metrics = json.loads((place / "metrics.json").read_bytes())
            metrics["answers"]["first"][field] = value
            (place / "metrics.json").write_bytes(as_json(metrics))
            reseal(place)

            assert f"metrics.json: answers.first.{field}: expected" in said(verify_bundle(place))


def test_an_interrupted_run_verifies_as_unknown(tmp_path: Path) -> None:
    soaker = Soaker(make_project(tmp_path, CHECKOUT / "eval/gates/ast_cache.toml"))
    try:
        soaker("clean", "--campaign", "toy", "--ops", "5000")
        running = soaker.start("run")
        history = soaker.run_dir / "history.jsonl"
        while not (history.exists() and b'"type":"ok"' in history.read_bytes()):
            assert running.poll() is None
            os.sched_yield()
        running.terminate()
        running.communicate(timeout=HANG_GUARD_S)
        assert (0, 11) == (soaker("extract").returncode, soaker("gate").returncode)
        assert 0 == soaker("record").returncode
        done = soaker("verify", soaker.run_dir.name)

        assert 11 == done.returncode, done.stdout
    finally:
        soaker.close()


def test_with_the_right_key_it_is_trusted(signed: Recorded) -> None:
    done = signed.soaker("verify", signed.bundle.name, "--public-key", str(signed.public))

    assert (0, True) == (done.returncode, "verified with the key given" in done.stdout)
    assert "who made it" not in done.stdout


def test_without_a_key_it_says_that_the_signer_is_anybody(signed: Recorded) -> None:
    done = signed.soaker("verify", signed.bundle.name)

    assert 0 == done.returncode
    assert "- who made it: it is signed, but by whom only a key from elsewhere" in done.stdout


def test_with_a_wrong_key_it_is_broken(signed: Recorded, tmp_path: Path) -> None:
    _, other = make_key(tmp_path / "other.pem")
    done = signed.soaker("verify", signed.bundle.name, "--public-key", str(other))

    assert 12 == done.returncode
    assert "attestation.dsse.json: signatures[0]: it is signed by key" in done.stdout


def test_with_a_key_an_unsigned_bundle_is_broken(unsigned: Recorded) -> None:
    done = unsigned.soaker("verify", unsigned.bundle.name, "--public-key", str(unsigned.public))

    assert 12 == done.returncode
    assert "signatures: expected a signature, because a key was given" in done.stdout


def test_an_altered_payload_is_broken_even_with_another_signature(
    signed: Recorded, tmp_path: Path
) -> None:
    place = copied(signed.bundle, tmp_path / "bundle")
    path = place / "attestation.dsse.json"
    document = json.loads(path.read_bytes())
    reseal(place)  # unsigned now, and every hash fits
    document["payload"] = json.loads(path.read_bytes())["payload"]
    manifest = json.loads((place / "MANIFEST.json").read_bytes())
    manifest["interpreters"] = {"tests-3.13": "success"}
    (place / "MANIFEST.json").write_bytes(as_json(manifest))
    reseal(place)
    document["payload"] = json.loads(path.read_bytes())["payload"]
    path.write_bytes(as_json(document))

    for key in (None, signed.public):
        verified = verify_bundle(place, key)
        assert 12 == verified.exit_code
        assert "the signature does not fit the payload" in said(verified)


def test_a_forgery_that_fits_is_caught_by_the_key_alone(signed: Recorded, tmp_path: Path) -> None:
    place = copied(signed.bundle, tmp_path / "bundle")
    (place / "signer.pub.pem").unlink()
    manifest = json.loads((place / "MANIFEST.json").read_bytes())
    manifest["files"] = [one for one in manifest["files"] if one["path"] != "signer.pub.pem"]
    (place / "MANIFEST.json").write_bytes(as_json(manifest))
    run = json.loads((place / "run.json").read_bytes())
    run["environment"]["cpus"] += 62
    (place / "run.json").write_bytes(as_json(run))
    reseal(place)

    assert (0, 12) == (
        verify_bundle(place).exit_code,
        verify_bundle(place, signed.public).exit_code,
    )


def test_no_secret_and_no_path_of_the_machine_in_any_file(signed: Recorded) -> None:
    secret = signed.key.read_text("ascii").splitlines()[1]
    needles = [secret.encode(), b"PRIVATE KEY", str(signed.soaker.root).encode()]
    record = signed.soaker.root / "_ctx"
    files = [path for path in record.rglob("*") if path.is_file()]
    public = [path for path in files if "runs" not in path.relative_to(record).parts]
    found = [
        (path.name, needle) for path in public for needle in needles if needle in path.read_bytes()
    ]

    assert [] == found
    assert [] == [path for path in files if secret.encode() in path.read_bytes()]
    assert secret not in signed.printed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_the_documented_commands_verify_without_soakproof(signed: Recorded, tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "reference" / "evidence.md").read_text("utf-8")
    (commands,) = re.findall(r"```sh\n(work=.*?)```", page, re.DOTALL)
    place = copied(signed.bundle, tmp_path / "bundle")
    shutil.copyfile(signed.public, tmp_path / "team.pub.pem")
    script = f"set -e\n{commands}".replace("team.pub.pem", "../team.pub.pem")

    def verified() -> subprocess.CompletedProcess[str]:
        argv = ["bash", "-c", script]
        return subprocess.run(argv, cwd=place, capture_output=True, text=True, check=False)

    done = verified()
    assert (0, "Signature Verified Successfully\nmanifest: OK\nfiles: OK\n") == (
        done.returncode,
        done.stdout,
    ), done.stderr
    log = place / "soak_run.log"
    log.write_bytes(log.read_bytes() + b"\n")
    assert "files: OK" not in verified().stdout
    path = place / "attestation.dsse.json"
    path.write_bytes(path.read_bytes().replace(b'"payload": "eyJf', b'"payload": "eyJg'))
    assert "Successfully" not in verified().stdout


def test_what_is_no_bundle_is_told(unsigned: Recorded, tmp_path: Path) -> None:
    missing = unsigned.soaker("verify", "nothing-here")
    no_key = unsigned.soaker(
        "verify", unsigned.bundle.name, "--public-key", str(tmp_path / "none.pem")
    )

    assert (2, 2) == (missing.returncode, no_key.returncode)
    assert 12 == verify_bundle(tmp_path).exit_code


def test_recording_again_changes_not_a_byte(signed: Recorded) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {
            path.name: (path.stat().st_mtime_ns, path.read_bytes())
            for path in signed.bundle.rglob("*")
            if path.is_file()
        }

    before = state()
    done = signed.soaker("record", SOAKPROOF_SIGNING_KEY=signed.key.read_text("ascii"))

    assert (0, "") == (done.returncode, done.stderr)
    assert before == state()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"SOAKPROOF_SIGNING_KEY": "no key"}, "SOAKPROOF_SIGNING_KEY: expected an Ed25519 private"),
        ({"SOAKPROOF_SIGNING_KEY_FILE": "/nowhere/key.pem"}, "No such file"),
        (
            {"SOAKPROOF_SIGNING_KEY": "a", "SOAKPROOF_SIGNING_KEY_FILE": "b"},
            "expected one of the two, found both",
        ),
    ],
)
def test_a_key_that_is_none_is_refused_without_being_shown(
    unsigned: Recorded, env: dict[str, str], message: str
) -> None:
    done = unsigned.soaker("record", **env)

    assert (2, True, False) == (done.returncode, message in done.stderr, "no key" in done.stderr)


def test_a_history_changed_before_it_is_recorded_is_refused(unsigned: Recorded) -> None:
    history = unsigned.soaker.run_dir / "history.jsonl"
    before = history.read_bytes()
    lines = before.splitlines(keepends=True)
    history.write_bytes(b"".join(lines[:7] + lines[8:]))
    try:
        codes = [unsigned.soaker(stage).returncode for stage in ("extract", "gate")]
        done = unsigned.soaker("record")
    finally:
        history.write_bytes(before)
        for stage in ("extract", "gate"):
            unsigned.soaker(stage)

    assert [0, 11] == codes
    assert (12, True) == (done.returncode, "history.jsonl:8: expected a line" in done.stderr)


def test_a_stored_run_can_be_judged_again_and_the_bundle_stays(
    unsigned: Recorded, tmp_path: Path
) -> None:
    root = tmp_path / "later"
    shutil.copytree(unsigned.soaker.root / "_ctx" / "evidence", root / "_ctx" / "evidence")
    later = Soaker(root)
    stricter = str(CHECKOUT / "eval" / "gates" / "stricter.toml")
    run_id = unsigned.bundle.name
    own = later("gate", "--run-id", run_id)
    again = later("gate", "--run-id", run_id, "--gate", stricter, "--json")

    assert (0, 11) == (own.returncode, again.returncode), again.stderr
    assert ("stricter", "UNKNOWN") == tuple(
        json.loads(again.stdout)[key] for key in ("gate", "verdict")
    )
    assert 0 == later("verify", run_id).returncode


def test_runs_are_compared_by_id_and_by_folder(unsigned: Recorded, signed: Recorded) -> None:
    same = unsigned.soaker("compare", unsigned.bundle.name, str(unsigned.bundle), "--json")
    both = unsigned.soaker("compare", unsigned.bundle.name, str(signed.bundle))
    missing = unsigned.soaker("compare", unsigned.bundle.name, "nothing-here")

    assert (0, []) == (same.returncode, json.loads(same.stdout)["changes"])
    assert (True, "") == (both.returncode in {0, 10}, both.stderr)
    assert 2 == missing.returncode
