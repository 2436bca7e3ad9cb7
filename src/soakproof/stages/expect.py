"""Stage expect: ask the oracle what the right answers were.

Reads the plan, the history and the segment with its kept versions; writes ``expected.jsonl``: for
each question that the run asked, the answer of each version of its input that was current, or had
been. It works on what the run left, so it cannot disturb it, and can be repeated.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from soakproof import schema
from soakproof.checks.answers import Question, questions, state_name
from soakproof.checks.ledger import Ledger
from soakproof.checks.scope import Scope, scopes_of
from soakproof.checks.versions import ORIGINAL, Timeline
from soakproof.errors import MissingInput, SoakError
from soakproof.lines import BadLine, decode_history
from soakproof.model import ABSENT, Expected, Outcome
from soakproof.model import Source as SettingSource
from soakproof.places import reveal_plan
from soakproof.rotation.reading import is_there
from soakproof.rundir import Project, RunDir, as_json, write_bytes
from soakproof.targets.command import about, resolve_command
from soakproof.targets.oracle import Oracle, Source, identity
from soakproof.targets.rooms import Contents, Room

__all__ = ["Asked", "expect"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the oracle did.

    Args:
        path: the run's ``expected.jsonl``; ``None``: the target has no oracle.
        questions: how many questions.
        ran: for how many the tool had to be run; the others were known from earlier runs.
        unanswered: to how many it gave nothing: it did not end, or could not be started.
    """

    path: Path | None
    questions: int
    ran: int
    unanswered: int = 0


def expect(project: Project, run_dir: RunDir) -> Asked:
    """Ask the oracle every question of a run.

    Args:
        project: keeps the answers of earlier runs (``_ctx/oracle``, not tracked).
        run_dir: the run.

    Raises:
        MissingInput: there is no history.
    """
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    if not is_there(run_dir.history):
        hint = f"make it with `soakproof run --run-id {run_dir.run_id}`"
        raise MissingInput(run_dir.history, hint)
    if "oracle" not in plan["target"]:
        return Asked(None, 0, 0)
    plan = reveal_plan(run_dir, plan)
    wanted = _wanted(plan, run_dir)
    oracle = _oracle(project, run_dir, plan)
    sources = _Sources(run_dir, plan["segment"].get("inputs"))
    scopes = scopes_of(plan["target"])
    answers, ran = _ask_all(oracle, sources, wanted, scopes, run_dir.scratch / "oracle")
    lines = b"".join(as_json(one, compact=True) for one in answers)
    write_bytes(run_dir.expected, lines)
    if doubt := _doubt(plan["target"], answers):
        sys.stderr.write(f"note: {doubt}\n")
    return Asked(run_dir.expected, len(answers), ran, len(wanted) - len(answers))


def _doubt(target: Mapping[str, Any], answers: Sequence[Expected]) -> str:
    """Return, in words, that the tool without its cache mostly refused; empty: it did not."""
    operations = target["operations"]
    refused = [
        one
        for one in answers
        if one.exit_code not in operations[one.kind].get("answer_exit_codes", (0,))
    ]
    if len(refused) * 2 <= len(answers):
        return ""
    first = refused[0]
    return (
        f"without its cache the tool refused {len(refused)} of {len(answers)} questions, the first "
        f"({first.kind} {first.key}) with exit code {first.exit_code}; does `depends` in the "
        "target's file name every file that an answer needs?"
    )


def _wanted(plan: Mapping[str, Any], run_dir: RunDir) -> dict[Question, Mapping[str, str]]:
    """Return question → versions of the edited files that make up its input."""
    ledger, timeline = Ledger(), Timeline()
    for line in decode_history(run_dir.history):
        if not isinstance(line, BadLine):
            ledger.add(line)
            timeline.add(line)
    ledger.close()
    scopes = scopes_of(plan["target"])
    wanted: dict[Question, Mapping[str, str]] = {}
    for record in ledger.operations.values():
        if record.outcome is Outcome.INFO:
            continue
        scope = scopes[record.kind]
        path = scope.path(record.key)
        current, outdated, _ = questions(record, scope, timeline)
        if path is not None:
            for version in (*current, *outdated):
                wanted[Question(record.kind, record.key, version)] = {path: version}
        elif current:
            covers = scope.covers(record.key)
            state = timeline.state(record.invoke_ns, record.completion_ns, covers) or {}
            wanted[Question(record.kind, record.key, state_name(state))] = state
    return wanted


def _oracle(project: Project, run_dir: RunDir, plan: Mapping[str, Any]) -> Oracle:
    """Return an oracle of the target's own command, also where a flag replaced that of the run."""
    target, setting = plan["target"], plan["settings"]["target_command"]
    command: list[str] = setting["value"]
    if setting["source"] == SettingSource.FLAG:
        command = list(resolve_command(target["command"], plan["target_path"], project.root))
    package_dir = None
    if "about" in target:
        package_dir = Path(about(command, target["about"])["package_dir"])
    name = identity(command, package_dir)
    if package_dir is None:  # its code may change and its command stay: nothing is kept across runs
        name = f"{name} {run_dir.run_id}"
    return Oracle(target, command, name, project.ctx / "oracle", run_dir.answers)


class _Sources:
    """Finds the content of versions: kept ones by their SHA-256, others in the segment."""

    def __init__(self, run_dir: RunDir, inputs: Mapping[str, str] | None) -> None:
        self._run_dir = run_dir
        self.contents = Contents()
        if inputs is None:
            self._segment = {
                path.relative_to(run_dir.segment).as_posix(): path
                for path in sorted(run_dir.segment.rglob("*"))
                if path.is_file() and not _is_hidden(path, run_dir)
            }
        else:
            self._segment = {path: run_dir.versions / one for path, one in inputs.items()}

    def of(self, question: Question, versions: Mapping[str, str], scope: Scope) -> Source:
        """Return the input of a question: the files that its answer depends on."""
        path = scope.path(question.key)
        covers = scope.covers(question.key)
        files = {}
        if path is None:
            files = {name: content for name, content in self._segment.items() if covers(name)}
        for name, version in versions.items():
            files.pop(name, None)
            if version == ABSENT:
                continue
            content = self._segment.get(name) if version == ORIGINAL else None
            if version != ORIGINAL:
                content = self._run_dir.versions / version
            if content is not None:
                files[name] = content
        missing = [str(content) for content in files.values() if not content.exists()]
        if missing:
            message = f"{missing[0]}: not there; the run's folder is not complete ({question})"
            raise SoakError(message)
        return Source(files, self.contents)


def _is_hidden(path: Path, run_dir: RunDir) -> bool:
    return any(part.startswith(".") for part in path.relative_to(run_dir.segment).parts)


def _ask_all(
    oracle: Oracle,
    sources: _Sources,
    wanted: Mapping[Question, Mapping[str, str]],
    scopes: Mapping[str, Scope],
    rooms: Path,
) -> tuple[list[Expected], int]:
    """Ask side by side, as many as there are processors; the order is that of the questions.

    Each kind has rooms of its own: what one question needs is there for the next.
    """
    free: SimpleQueue[Mapping[str, Room]] = SimpleQueue()
    workers = len(os.sched_getaffinity(0))
    for number in range(workers):
        own = (Room(rooms / f"{number}-{nth}", sources.contents) for nth in range(len(scopes)))
        free.put(dict(zip(scopes, own, strict=True)))

    def ask(item: tuple[Question, Mapping[str, str]]) -> tuple[Expected | None, bool]:
        question, versions = item
        source = sources.of(question, versions, scopes[question.kind])
        kinds = free.get()
        try:
            room = kinds[question.kind]
            return oracle.ask(question.kind, question.key, question.version, source, room)
        finally:
            free.put(kinds)

    with ThreadPoolExecutor(workers) as pool:
        answered = list(pool.map(ask, wanted.items()))
    shutil.rmtree(rooms, ignore_errors=True)
    told = [expected for expected, _ in answered if expected is not None]
    return told, sum(ran for _, ran in answered)
