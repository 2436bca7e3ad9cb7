"""Stage run: the storm. Real processes, real faults, every step in the history as it happens.

Reads ``plan.json``; writes ``history.jsonl``, ``samples.jsonl``, ``soak_run.log`` and at the end
``run.json``; with them the distinct answers, and the versions of edited files, by their SHA-256.
Whatever ends it, children are reaped, faults healed and lines on disk readable.
"""

from __future__ import annotations

import datetime
import resource
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import soakproof
from soakproof import schema
from soakproof.errors import Interrupted, UsageError
from soakproof.evidence.environment import environment_record
from soakproof.evidence.revision import HARNESS_PREFIXES, checkout_record, package_record
from soakproof.line_writers import ChainedLineWriter, Cut, LineWriter
from soakproof.model import SCHEMA_VERSION
from soakproof.places import Places, reveal_plan
from soakproof.report.progress import Progress
from soakproof.rotation.reading import is_there
from soakproof.rotation.sealing import Sealing
from soakproof.rundir import Project, RunDir, write_json
from soakproof.stages.run.library import LibrarySoak
from soakproof.stages.run.soak import Soak
from soakproof.stages.run.writing import HistoryWriter
from soakproof.targets.command import about
from soakproof.workload.settings import DEFAULT_PART_BYTES

__all__ = ["run"]


def run(project: Project, run_dir: RunDir) -> None:
    """Run the plan of a run directory.

    Args:
        project: the checkout whose commit is recorded.
        run_dir: a run directory that ``clean`` made.

    Raises:
        UsageError: this run directory was run already.
        Interrupted: Ctrl-C or SIGTERM; what was done so far is on disk.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    plan, places = reveal_plan(run_dir, plan), Places.load(run_dir)
    if is_there(run_dir.history):
        message = (
            f"{run_dir.history}: expected none yet, found one; a run directory is run once: "
            "begin another with `soakproof clean`"
        )
        raise UsageError(message)
    started_at = _now()
    settings = plan["settings"]
    total, duration_s = settings["ops"]["value"], settings["duration_s"]["value"]
    part_bytes = settings.get("part_bytes", {"value": DEFAULT_PART_BYTES})["value"]
    with (
        Progress(run_dir.log, total=total, duration_s=duration_s) as progress,
        Sealing(progress.say) as sealing,
        ChainedLineWriter(
            run_dir.history, run_dir.run_id, places.hide_bytes, Cut(part_bytes, sealing.seal)
        ) as lines,
        LineWriter(run_dir.samples, Cut(part_bytes, sealing.seal)) as samples,
    ):
        kind = LibrarySoak if "worker" in plan["target"] else Soak
        soak = kind(plan, run_dir, HistoryWriter(lines), samples, progress)
        stopped_by = soak.go()
        if soak.cost["bottleneck"]:
            progress.say(
                f"the harness was the bottleneck: busy for {soak.cost['busy_share']:.0%} of the "
                "time; fewer workers, or another machine, would show more of the subject"
            )
    state = "interrupted" if stopped_by else "completed"
    document = _run_document(project, run_dir, plan, state=state, started_at=started_at)
    document["harness_cost"]["storm"] = soak.cost
    document["clock"] = soak.awake.document()
    document["parts"] = {
        "at_bytes": part_bytes,
        "sealed": sealing.parts,
        "packed": sealing.packed,
        "pack_cpu_ms": sealing.pack_cpu_ms,
    }
    schema.check(document, "run", run_dir.run)
    write_json(run_dir.run, document)
    if stopped_by:
        message = f"stopped by {stopped_by}; the run so far is readable in {run_dir.path}"
        raise Interrupted(message)


def _run_document(
    project: Project, run_dir: RunDir, plan: Mapping[str, Any], *, state: str, started_at: str
) -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    here = Path(soakproof.__file__).resolve().parent
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_dir.run_id,
        "state": state,
        "started_at_utc": started_at,
        "ended_at_utc": _now(),
        "subject": _subject(project, plan),
        "harness": package_record(
            "soakproof",
            metadata.version("soakproof"),
            here,
            project.root,
            HARNESS_PREFIXES,
        ),
        "checkout": checkout_record(project.root),
        "environment": environment_record(run_dir.path),
        "harness_cost": {
            "user_ms": round(used.ru_utime * 1000, 1),
            "sys_ms": round(used.ru_stime * 1000, 1),
            "max_rss_kb": used.ru_maxrss,
        },
    }


def _subject(project: Project, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Say which wheel of the subject ran, by what it says of itself and by its files."""
    target = plan["target"]
    source = target.get("source", {})
    name = source.get("distribution", target["name"])
    if "about" not in target:
        unknown: dict[str, Any] = {
            "editable": False,
            "wheel_sha256": None,
            "commit": None,
            "differs": [],
        }
        return {"name": name, "version": "unknown", **unknown}
    said = about(plan["settings"]["target_command"]["value"], target["about"])
    prefixes = {source["prefix"]: "."} if "prefix" in source else {}
    return package_record(name, said["version"], Path(said["package_dir"]), project.root, prefixes)


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
