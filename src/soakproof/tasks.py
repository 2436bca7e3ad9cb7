"""The stages as Invoke tasks, for any project's ``tasks.py``::

    from invoke import Collection
    from soakproof.tasks import ns as soak
    ns = Collection(soak)

Tasks hold no logic. Flags are text (Invoke takes a flag's type from its default, and ours are
validated in one place); none uses ``pre=``, which takes no parameters.
"""

from __future__ import annotations

from typing import Any, Final

from invoke import Collection, Context, Exit, task

from soakproof.commands import COMMANDS
from soakproof.guarded import guarded

__all__ = ["ns"]


def _run(command: str, **flags: str | bool) -> None:
    text = {name: ("1" if value is True else value or None) for name, value in flags.items()}
    code = guarded(lambda: COMMANDS[command](text))
    if code:
        raise Exit(code=code)


@task
def clean(
    _c: Context,
    ops: str = "",
    duration: str = "",
    workers: str = "",
    seed: str = "",
    campaign: str = "",
    gate: str = "",
    run_id: str = "",
    target_command: str = "",
    faults: str = "",
    part_bytes: str = "",
    json: bool = False,
) -> None:
    """Plan a new run and prepare its segment; the cache starts empty."""
    _run(
        "clean",
        ops=ops,
        duration=duration,
        workers=workers,
        seed=seed,
        campaign=campaign,
        gate=gate,
        run_id=run_id,
        target_command=target_command,
        faults=faults,
        part_bytes=part_bytes,
        json=json,
    )


@task
def anchors(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Find the lines of the subject's source that the soak relies on."""
    _run("anchors", run_id=run_id, json=json)


@task
def run(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Run the plan: real processes, real faults, every step in the history."""
    _run("run", run_id=run_id, json=json)


@task
def expect(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Ask the oracle (the same command without its cache) what the right answers were."""
    _run("expect", run_id=run_id, json=json)


@task
def extract(_c: Context, run_id: str = "", out: str = "", json: bool = False) -> None:
    """Count history and telemetry into metrics.json."""
    _run("extract", run_id=run_id, out=out, json=json)


@task
def gate(_c: Context, run_id: str = "", gate: str = "", in_: str = "", json: bool = False) -> None:
    """Judge the metrics: exit 0 PASS, 10 FAIL, 11 UNKNOWN."""
    _run("gate", run_id=run_id, gate=gate, json=json, **{"in": in_})


@task
def report(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Draw the report: one HTML file, Markdown, pictures, JUnit XML."""
    _run("report", run_id=run_id, json=json)


@task
def record(_c: Context, run_id: str = "", allow_dirty: bool = False, json: bool = False) -> None:
    """Put log, metrics and report into the record; close the work order of a PASS."""
    _run("record", run_id=run_id, allow_dirty=allow_dirty, json=json)


@task
def history(
    _c: Context,
    run_id: str = "",
    key: str = "",
    op: str = "",
    around: str = "",
    fault: str = "",
    json: bool = False,
) -> None:
    """Print a run's history for a person, whole or in part."""
    _run("history", run_id=run_id, key=key, op=op, around=around, fault=fault, json=json)


@task(positional=["files"])
def tally(
    _c: Context,
    files: str = "",
    run_id: str = "",
    jobs: str = "",
    out: str = "",
    json: bool = False,
) -> None:
    """Count lines of history and telemetry, however many; exit 10 where one cannot be read."""
    _run("tally", files=files, run_id=run_id, jobs=jobs, out=out, json=json)


@task
def follow(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Watch a run while it lasts, and warn of anomalies as they come; exit 10 if there were any."""
    _run("follow", run_id=run_id, json=json)


@task(positional=["run"])
def export(_c: Context, run: str, to: str = "", json: bool = False) -> None:
    """Write a run's operations, faults, samples and telemetry as tables: Parquet, CSV, DuckDB."""
    _run("export", run=run, to=to, json=json)


@task
def runs(_c: Context, json: bool = False) -> None:
    """List the stored runs: time, campaign, seed, operations, verdict."""
    _run("runs", json=json)


@task(name="open")
def open_(_c: Context, run_id: str = "", json: bool = False) -> None:
    """Open a run's report in the browser; without one, say where the report is."""
    _run("open", run_id=run_id, json=json)


@task
def init(_c: Context, folder: str = "", json: bool = False) -> None:
    """Begin in a project: a commented target, campaign and gate; nothing is overwritten."""
    _run("init", folder=folder, json=json)


@task(positional=["bundle"])
def verify(_c: Context, bundle: str, public_key: str = "", json: bool = False) -> None:
    """Check an evidence bundle independently; exit 12: it is broken."""
    _run("verify", bundle=bundle, public_key=public_key, json=json)


@task(positional=["first", "second"])
def compare(_c: Context, first: str, second: str, json: bool = False) -> None:
    """Show what changed between two runs outside noise; exit 10: something did."""
    _run("compare", first=first, second=second, json=json)


@task(positional=["action"])
def workorder(
    _c: Context, action: str, order: str = "", public_key: str = "", json: bool = False
) -> None:
    """Show where work orders stand; exit 12: the evidence of a closed one is broken."""
    _run("workorder", action=action, order=order, public_key=public_key, json=json)


@task(default=True)
def all_(
    _c: Context,
    ops: str = "",
    duration: str = "",
    workers: str = "",
    seed: str = "",
    campaign: str = "",
    gate: str = "",
    run_id: str = "",
    target_command: str = "",
    faults: str = "",
    part_bytes: str = "",
    allow_dirty: bool = False,
    json: bool = False,
    no_record: bool = False,
) -> None:
    """Run all stages: clean, anchors, run, expect, extract, gate, report, record."""
    _run(
        "all",
        ops=ops,
        duration=duration,
        workers=workers,
        seed=seed,
        campaign=campaign,
        gate=gate,
        run_id=run_id,
        target_command=target_command,
        faults=faults,
        part_bytes=part_bytes,
        allow_dirty=allow_dirty,
        json=json,
        no_record=no_record,
    )


ns = Collection("soak")
ns.add_task(all_, name="all", default=True)


@task
def selftest(
    _c: Context,
    campaign: str = "",
    gate: str = "",
    target_command: str = "",
    ops: str = "",
    only: str = "",
    jobs: str = "",
    json: bool = False,
) -> None:
    """Soak planted defects; ends with 10 unless each is caught, for its reason."""
    _run(
        "selftest",
        campaign=campaign,
        gate=gate,
        target_command=target_command,
        ops=ops,
        only=only,
        jobs=jobs,
        json=json,
    )


@task
def matrix(
    _c: Context,
    only: str = "",
    promises: str = "",
    seed: str = "",
    jobs: str = "",
    json: bool = False,
) -> None:
    """Ask real tools in pinned versions what their caches keep."""
    _run("matrix", only=only, promises=promises, seed=seed, jobs=jobs, json=json)


@task
def deep(
    _c: Context,
    campaign: str = "",
    seed: str = "",
    target_command: str = "",
    scan: str = "",
    point: str = "",
    max_points: str = "",
    jobs: str = "",
    json: bool = False,
) -> None:
    """Let faults meet single system calls, and open every state that a crash can leave."""
    _run(
        "deep",
        campaign=campaign,
        seed=seed,
        target_command=target_command,
        scan=scan,
        point=point,
        max_points=max_points,
        jobs=jobs,
        json=json,
    )


@task
def repeat(
    _c: Context,
    seeds: str = "",
    campaign: str = "",
    ops: str = "",
    duration: str = "",
    workers: str = "",
    gate: str = "",
    target_command: str = "",
    jobs: str = "",
    json: bool = False,
) -> None:
    """Soak with many seeds; ends with the composed verdict."""
    _run(
        "repeat",
        seeds=seeds,
        campaign=campaign,
        ops=ops,
        duration=duration,
        workers=workers,
        gate=gate,
        target_command=target_command,
        jobs=jobs,
        json=json,
    )


@task(iterable=["grid"])
def campaign(
    _c: Context,
    grid: list[str],
    seeds: str = "",
    campaign: str = "",
    ops: str = "",
    duration: str = "",
    workers: str = "",
    gate: str = "",
    target_command: str = "",
    jobs: str = "",
    name: str = "",
    sample: str = "",
    keep: str = "",
    shrink: bool = False,
    engine: str = "",
    scheduler: str = "",
    wheels: str = "",
    json: bool = False,
) -> None:
    """Soak seeds times a grid, each point once however often it is interrupted, and sum up."""
    _run(
        "campaign",
        grid=" ".join(grid),
        seeds=seeds,
        campaign=campaign,
        ops=ops,
        duration=duration,
        workers=workers,
        gate=gate,
        target_command=target_command,
        jobs=jobs,
        name=name,
        sample=sample,
        keep=keep,
        shrink=shrink,
        engine=engine,
        scheduler=scheduler,
        wheels=wheels,
        json=json,
    )


@task(positional=["run"])
def shrink(
    _c: Context,
    run: str,
    criterion: str = "",
    repeats: str = "",
    budget: str = "",
    jobs: str = "",
    out: str = "",
    json: bool = False,
) -> None:
    """Make a run that failed into the smallest case that fails the same way."""
    _run(
        "shrink",
        run=run,
        criterion=criterion,
        repeats=repeats,
        budget=budget,
        jobs=jobs,
        out=out,
        json=json,
    )


@task(positional=["spec"])
def point(_c: Context, spec: str, out: str = "", json: bool = False) -> None:
    """Soak one point of a campaign and write its result."""
    _run("point", spec=spec, out=out, json=json)


@task
def points(_c: Context, json: bool = False) -> None:
    """Soak points as they are asked for on standard input; it answers in JSON in any case."""
    _run("points", json=json)


@task(positional=["run"])
def replay(
    _c: Context,
    run: str,
    run_id: str = "",
    target_command: str = "",
    allow_dirty: bool = False,
    no_record: bool = False,
    json: bool = False,
) -> None:
    """Repeat an earlier run, or soak a case: the same plan, in a run of its own."""
    _run(
        "replay",
        run=run,
        run_id=run_id,
        target_command=target_command,
        allow_dirty=allow_dirty,
        no_record=no_record,
        json=json,
    )


@task(positional=["worker"])
def conform(_c: Context, worker: str, json: bool = False) -> None:
    """Check whether a worker keeps to the protocol."""
    _run("conform", worker=worker, json=json)


_STAGES: Final[tuple[Any, ...]] = (
    clean,
    anchors,
    run,
    expect,
    extract,
    gate,
    report,
    record,
    history,
    tally,
    follow,
    export,
    runs,
    open_,
    verify,
    compare,
    workorder,
    selftest,
    matrix,
    deep,
    repeat,
    campaign,
    shrink,
    point,
    points,
    replay,
    conform,
    init,
)
for _stage in _STAGES:
    ns.add_task(_stage)
ns.configure({"tasks": {"dedupe": False}})
