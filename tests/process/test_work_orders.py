"""Work orders, and whether their evidence still verifies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recorded import git
from soaker import Soaker
from toy_project import make_project

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).resolve().parents[2]
ORDER = "id: WO-1\ntitle: soak the toy\nstatus: pending\ncampaign: toy\n"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soaker]:
    """Soak the toy in a repository with a work order, which the PASS closes on request."""
    root = make_project(
        tmp_path_factory.mktemp("orders"), CHECKOUT / "eval" / "gates" / "ast_cache.toml"
    )
    campaign = root / "eval" / "campaigns" / "toy.toml"
    text = campaign.read_text("utf-8")
    campaign.write_text(
        text.replace("\n[defaults]", 'work_order = "WO-1"\n\n[defaults]', 1), "utf-8"
    )
    jobs = root / "_ctx" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "WO-1.yaml").write_text(ORDER, "utf-8")
    (jobs / "WO-2.yaml").write_text(ORDER.replace("WO-1", "WO-2"), "utf-8")
    (root / ".gitignore").write_text("/_ctx/runs/\n/_ctx/.lock\n", "utf-8")
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a commit")
    soaker = Soaker(root)
    try:
        done = soaker("all", "--campaign", "toy", "--ops", "24", "--allow-dirty")
        assert 0 == done.returncode, done.stdout + done.stderr
        assert "status: done" in (jobs / "WO-1.yaml").read_text("utf-8"), done.stdout
        yield soaker
    finally:
        soaker.close()


@pytest.fixture
def project(closed: Soaker, tmp_path: Path) -> Soaker:
    """Copy the project, to break it."""
    shutil.copytree(closed.root, tmp_path / "project", symlinks=True)
    return Soaker(tmp_path / "project")


def bundle(project: Soaker) -> Path:
    return project.root / "_ctx" / "evidence" / project.run_dir.name


def test_sound_evidence_is_verified(closed: Soaker) -> None:
    done = closed("workorder", "status")

    assert (0, "") == (done.returncode, done.stderr)
    assert f"WO-1  done  run {closed.run_dir.name}, evidence verified" in done.stdout
    assert "WO-2  pending  no run" in done.stdout
    one = json.loads(closed("workorder", "status", "WO-2", "--json").stdout)
    assert ["WO-2"] == [order["id"] for order in one["work_orders"]]
    assert 2 == closed("workorder", "status", "WO-9").returncode


def spoil_log(project: Soaker) -> None:
    (bundle(project) / "soak_run.log").write_text("nothing happened\n", "utf-8")


def remove_bundle(project: Soaker) -> None:
    shutil.rmtree(bundle(project))


def remove_report(project: Soaker) -> None:
    (project.root / "docs" / "reports" / "toy.md").unlink()


def other_evidence(project: Soaker) -> None:
    order = project.root / "_ctx" / "jobs" / "WO-1.yaml"
    lines = order.read_text("utf-8").splitlines()
    changed = [f'manifest_sha256: "{"0" * 64}"' if "manifest_" in one else one for one in lines]
    order.write_text("\n".join(changed) + "\n", "utf-8")


def other_commit(project: Soaker) -> None:
    order = project.root / "_ctx" / "jobs" / "WO-1.yaml"
    lines = order.read_text("utf-8").splitlines()
    changed = [f'verified_at_sha: "{"0" * 40}"' if "at_sha" in one else one for one in lines]
    order.write_text("\n".join(changed) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_log, "soak_run.log: expected"),
        (remove_bundle, "expected the evidence of the run, found none"),
        (remove_report, "docs/reports/toy.md: it is evidence, and is not there"),
        (other_evidence, "it is other evidence"),
        (other_commit, "verified_at_sha: expected"),
    ],
)
def test_broken_evidence_is_reported(
    project: Soaker, spoil: Callable[[Soaker], None], told: str
) -> None:
    spoil(project)
    done = project("workorder", "status")

    assert (12, True) == (done.returncode, told in done.stdout), done.stdout
    assert "evidence broken" in done.stdout
