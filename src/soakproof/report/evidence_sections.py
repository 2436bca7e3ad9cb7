"""The sections of the report that let a stranger check it; pure, one function a section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soakproof.report.cells import code, plain, table, value

__all__ = [
    "anchors",
    "contract",
    "environment",
    "hashes",
    "limits",
    "packages",
    "settings",
    "storm_cost",
]


def anchors(found: Mapping[str, Any] | None) -> list[str]:
    """Return the lines of the subject's source that the soak relies on."""
    if found is None:
        return ["They were not looked for."]
    rows = (
        (
            plain(each["name"]),
            plain(each["expects"]),
            code(f"{each['file']}:{each['line']}"),
            code(each["text"]),
            code(each["file_sha256"][:12]),
        )
        for each in found["anchors"]
    )
    lines = [
        (
            f"{found['found']} of {found['expected']} found by syntax in version "
            f"{plain(found['version'] or 'unknown')}."
        ),
        "",
        *table(("anchor", "a reader should see", "place", "line", "file's SHA-256"), rows),
    ]
    for what, key in (("Not found", "missing"), ("Could not be parsed", "unreadable")):
        if found[key]:
            lines += ["", f"{what}: {', '.join(code(name) for name in found[key])}."]
    return lines


def environment(run: Mapping[str, Any]) -> list[str]:
    """Return what the run ran on."""
    seen, cost = run["environment"], run["harness_cost"]
    packages = ", ".join(f"{name} {seen['packages'][name]}" for name in sorted(seen["packages"]))
    rows = (
        ("Python", plain(f"{seen['implementation']} {seen['python']}")),
        ("SQLite of the harness", plain(seen["sqlite"])),
        ("platform", plain(seen["platform"])),
        ("processors", seen["cpus"]),
        ("file system", plain(seen["filesystem"])),
        ("packages of the harness", plain(packages)),
        (
            "the harness itself",
            (
                f"{cost['user_ms']:.0f} ms user, {cost['sys_ms']:.0f} ms system, "
                f"{cost['max_rss_kb']} KiB"
            ),
        ),
        *storm_cost(cost),
    )
    return table(("what", "value"), rows)


def storm_cost(cost: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the harness cost while operations ran; nothing of a record without it."""
    if "storm" not in cost:
        return []
    storm = cost["storm"]
    per_op = storm["cpu_ms_per_op"]
    said = "yes: the figures show its limit" if storm["bottleneck"] else "no"
    return [
        (
            "the harness while operations ran",
            f"{'no operation' if per_op is None else f'{per_op:.2f} ms CPU an operation'}, "
            f"busy {storm['busy_share']:.0%} of the time, "
            f"{storm['rss_begin_kb']} KiB at first, {storm['rss_end_kb']} KiB at the end",
        ),
        ("the harness was the bottleneck", said),
    ]


def packages(run: Mapping[str, Any]) -> list[str]:
    """Return which commit ran, by content, and the state of the checkout."""
    rows = []
    for part in ("subject", "harness"):
        each = run[part]
        origin = "its source folder" if each["editable"] else "a wheel"
        sha256 = code(each["wheel_sha256"]) if each["wheel_sha256"] else "not kept by the installer"
        commit = code(each["commit"]) if each["commit"] else "no known commit"
        rows.append((part, plain(f"{each['name']} {each['version']}"), origin, commit, sha256))
    checkout = run["checkout"]
    state = {True: "dirty", False: "clean", None: "of unknown state"}[checkout["dirty"]]
    head = code(checkout["commit"]) if checkout["commit"] else "no commit"
    lines = [
        "A commit is named only where every installed file is byte for byte that commit's.",
        "",
        *table(("part", "distribution", "from", "commit", "wheel's SHA-256"), rows),
        "",
        f"The checkout was {state}, at {head}.",
    ]
    for title, files in (
        ("Files that differ from HEAD", checkout["dirty_files"]),
        ("Installed files of the subject that are not HEAD's", run["subject"]["differs"]),
        ("Installed files of the harness that are not HEAD's", run["harness"]["differs"]),
    ):
        if files:
            lines += ["", f"{title}: {', '.join(code(name) for name in files)}."]
    return lines


def settings(plan: Mapping[str, Any]) -> list[str]:
    """Return what could be set from outside, with where each value came from."""
    # The command is an absolute path of the machine that ran it: no fact that a stranger can use.
    rows = (
        (code(name), value(each["value"]), each["source"], plain(each["origin"]))
        for name, each in plan["settings"].items()
        if name != "target_command"
    )
    segment = plan["segment"]
    return [
        *table(("setting", "value", "source", "given by"), rows),
        "",
        (
            f"Segment: {len(segment['modules'])} {_keys(segment)}, {segment['files']} files, "
            f"{segment['bytes']} bytes{_library(segment)}."
        ),
    ]


def _keys(segment: Mapping[str, Any]) -> str:
    return "keys" if "inputs" in segment else "modules"


def _library(segment: Mapping[str, Any]) -> str:
    if "inputs" in segment:
        return ""
    return f", from the library of Python {plain(segment['python'])}"


def contract(plan: Mapping[str, Any]) -> list[str]:
    """Return what the target's documentation promises, and what this run asked beyond it."""
    promised = plan["target"].get("contract")
    if promised is None:
        return []
    notices = {"content": "by their content", "mtime": "by time stamp and size"}
    users = {"many": "many processes at once", "one": "one process at a time"}
    beyond = plan.get("outside_contract", ())
    return [
        plain(promised["text"]),
        (
            f"It notices changed inputs {notices[promised['trusts']]}, and its cache is for "
            f"{users[promised['processes']]}."
        ),
        *(["", "This run went beyond it:", ""] if beyond else []),
        *(f"- {plain(one)}" for one in beyond),
    ]


def hashes(
    plan_sha256: str,
    plan: Mapping[str, Any],
    metrics: Mapping[str, Any],
    verdict: Mapping[str, Any],
) -> list[str]:
    """Return the chain: what was judged, from what it was counted, by which plan and gate."""
    rows = (
        ("plan", plan_sha256),
        ("history", metrics["history_sha256"]),
        ("metrics", verdict["metrics_sha256"]),
        ("gate", verdict["gate_sha256"]),
        ("campaign", plan["campaign_sha256"]),
        ("target", plan["target_sha256"]),
        ("schedule", plan["schedule_sha256"]),
        ("segment", plan["segment"]["sha256"]),
    )
    return table(("what", "SHA-256"), ((name, code(digest)) for name, digest in rows))


def _answers_limit(metrics: Mapping[str, Any]) -> str:
    if metrics["answers"]["oracle"] == "model":
        return (
            "- Right means: some order of the operations explains it; an error that looks like "
            "another order of them is not noticed."
        )
    if metrics["answers"]["oracle"] == "asked":
        return (
            "- Right means: what the same tool answers without its cache; an error that it makes "
            "with and without is not noticed."
        )
    return (
        "- Answers were compared with each other; one that is wrong in the same way each time "
        "is not noticed."
    )


def limits(plan: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Return what a reader must not conclude."""
    ops, faults = metrics["ops"], metrics["faults"]["by_kind"]
    hit = [kind for kind in sorted(faults) if faults[kind]["took_effect"]]
    kinds = ", ".join(code(kind) for kind in hit) or "none"
    return [
        (
            f"- The seed {metrics['seed']} reproduces choices, not scheduling: a replay makes "
            "the same operations and faults, and other interleavings."
        ),
        (
            f"- {ops['ops_total']} operations by {plan['settings']['workers']['value']} workers on "
            "one machine: what is rarer than that was not seen."
        ),
        f"- Faults that took effect: {kinds}; nothing is said of any other.",
        (
            "- Hits, misses and waits are the subject's own telemetry; only operations, outcomes "
            "and events against operations are counted by the harness."
        ),
        _answers_limit(metrics),
        *(
            f"- Beyond what the target promises: {plain(one)}."
            for one in plan.get("outside_contract", ())
        ),
        "- `integrity_check` looks at the structure; a value altered inside a row passes it.",
        "- Latency is shown and not judged.",
    ]
