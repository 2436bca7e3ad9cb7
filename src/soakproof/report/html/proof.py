"""The tables of the page that let a stranger check the run; pure, one function a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soakproof.report.evidence_sections import storm_cost
from soakproof.report.html.cells import Table, code, shown, table, word

__all__ = ["anchors", "environment", "hashes", "packages", "selftest", "settings", "verify_lines"]


def environment(run: Mapping[str, Any]) -> Table:
    """Return what the run ran on."""
    seen, cost = run["environment"], run["harness_cost"]
    packages_said = ", ".join(
        f"{name} {seen['packages'][name]}" for name in sorted(seen["packages"])
    )
    rows = (
        ("Python", f"{seen['implementation']} {seen['python']}"),
        ("SQLite of the harness", seen["sqlite"]),
        ("platform", seen["platform"]),
        ("processors", seen["cpus"]),
        ("file system", seen["filesystem"]),
        ("packages of the harness", packages_said),
        (
            "the harness itself",
            f"{cost['user_ms']:.0f} ms user, {cost['sys_ms']:.0f} ms system, "
            f"{cost['max_rss_kb']} KiB",
        ),
        *storm_cost(cost),
    )
    cells = ((word(what), word(shown(value))) for what, value in rows)
    return table("Environment", ("what", "value"), cells)


def packages(run: Mapping[str, Any]) -> Table:
    """Return which commit ran, by content."""
    rows = []
    for part in ("subject", "harness"):
        each = run[part]
        rows.append(
            (
                word(part),
                word(f"{each['name']} {each['version']}"),
                word("its source folder" if each["editable"] else "a wheel"),
                code(each["commit"] or "no known commit"),
                code(each["wheel_sha256"] or "not kept by the installer"),
            )
        )
    checkout = run["checkout"]
    state = {True: "dirty", False: "clean", None: "of unknown state"}[checkout["dirty"]]
    below = (
        "A commit is named only where every installed file is byte for byte that commit's. "
        f"The checkout was {state}, at {checkout['commit'] or 'no commit'}."
    )
    heads = ("part", "distribution", "from", "commit", "wheel's SHA-256")
    return table("What ran", heads, rows, below)


def settings(plan: Mapping[str, Any]) -> Table:
    """Return what could be set from outside, with where each value came from."""
    # The command is an absolute path of the machine that ran it: no fact that a stranger can use.
    rows = (
        (code(name), code(shown(each["value"])), word(each["source"]), word(each["origin"]))
        for name, each in plan["settings"].items()
        if name != "target_command"
    )
    return table("Settings", ("setting", "value", "source", "given by"), rows)


def hashes(
    plan: Mapping[str, Any],
    metrics: Mapping[str, Any],
    verdict: Mapping[str, Any],
    verdict_sha256: str,
) -> Table:
    """Return the chain: what was judged, from what it was counted, by which plan and gate."""
    rows = (
        ("verdict.json", verdict_sha256),
        ("metrics.json", verdict["metrics_sha256"]),
        ("history.jsonl", metrics["history_sha256"]),
        ("gate.toml", verdict["gate_sha256"]),
        ("campaign", plan["campaign_sha256"]),
        ("target", plan["target_sha256"]),
        ("schedule", plan["schedule_sha256"]),
        ("segment", plan["segment"]["sha256"]),
    )
    return table("Hashes", ("what", "SHA-256"), ((word(name), code(sha)) for name, sha in rows))


def anchors(found: Mapping[str, Any] | None) -> Table | None:
    """Return the lines of the subject's source that the soak relies on."""
    if found is None:
        return None
    rows = (
        (word(each["name"]), code(f"{each['file']}:{each['line']}"), code(each["text"].strip()))
        for each in found["anchors"]
    )
    below = f"{found['found']} of {found['expected']} found."
    return table("Anchors in the subject's source", ("anchor", "place", "line"), rows, below)


def selftest(score: Mapping[str, Any] | None) -> Table | None:
    """Return how many planted defects the same gate caught; ``None``: it is not known."""
    if score is None:
        return None
    rows = [
        (word(name.replace("_", " ")), code(shown(seen)))
        for name, seen in score.items()
        if isinstance(seen, int | float | str) and name != "schema_version"
    ]
    return table("Selftest: planted defects that the gate must catch", ("what", "seen"), rows)


def verify_lines(run_id: str, *, in_parts: bool) -> tuple[tuple[str, str], ...]:
    """Return (what it does, command) of each way to check this report.

    Args:
        run_id: the run.
        in_parts: its files of lines were cut.
    """
    folder = f"_ctx/runs/{run_id}"
    hashed = f"sha256sum {folder}/verdict.json {folder}/metrics.json"
    # Parts come before the file in the order of names, and zcat -f passes on what is not packed.
    parts = f"; zcat -f {folder}/history.*jsonl* | sha256sum"
    return (
        (
            "Check the evidence bundle: every hash, the chain, every number counted again.",
            f"soakproof verify _ctx/evidence/{run_id}",
        ),
        (
            "Count and judge again from the raw history: the same bytes come out.",
            f"soakproof extract --run-id {run_id} && soakproof gate --run-id {run_id}",
        ),
        (
            "Compare the files with the hashes above.",
            hashed + (parts if in_parts else f" {folder}/history.jsonl"),
        ),
    )
