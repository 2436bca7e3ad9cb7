"""Make the segment that is asked about, let the target prepare it, and say which keys there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from soakproof import schema
from soakproof.dice import rank
from soakproof.rundir import RunDir
from soakproof.stages.clean.asked import Asked
from soakproof.targets.beside import run_once
from soakproof.targets.command import resolve_command
from soakproof.targets.files import files_by_role, matches
from soakproof.targets.target import Places as TargetPlaces
from soakproof.targets.target import Target
from soakproof.workload.languages import Language
from soakproof.workload.segment import (
    Segment,
    copy_folder,
    generate,
    listed,
    measured,
    module_name,
    prepare_empty,
    prepare_named,
    prepare_stdlib,
)

__all__ = ["make_segment"]


def make_segment(
    run: RunDir, files: Asked, seed: int, command: list[str], environ: Mapping[str, str]
) -> Segment:
    """Make the segment, run the target's own preparation in it, and say which keys there are."""
    if "worker" in files.target:
        return prepare_empty(run.segment)
    asked, target = files.campaign["segment"], files.target
    exclude = asked.get("exclude", ())
    place = TargetPlaces(run.run_id, run.segment, run.telemetry, run.target_scratch)
    subject = Target(target, tuple(command), place)
    if asked["source"] == "stdlib":
        library = _library(run, files, seed)
        if not {"prepare", "clean", "edits"} & target.keys() and _asks_modules(target):
            return library
    elif asked["source"] == "folder":
        copy_folder(_folder(files), run.segment, exclude=exclude, campaign_path=files.campaign_path)
    else:
        run.segment.mkdir()
        generate(asked["files"], run.segment, seed=seed, campaign_path=files.campaign_path)
    for step in ("prepare", "clean"):
        if step in target:
            argv = resolve_command(target[step]["argv"], f"{files.target_path}: {step}.argv")
            run_once(
                subject.beside(argv),
                subject.env(None, environ),
                subject.cwd,
                deadline_s=target[step]["deadline_s"],
                where=(files.target_path, f"{step}.argv"),
            )
    _refuse_full_cache(subject, files)
    inputs = listed(run.segment, subject.cache_folder)
    return measured(run.segment, inputs, _keys(files, inputs, run.segment, seed))


def _library(run: RunDir, files: Asked, seed: int) -> Segment:
    """Copy modules of the standard library: those that a case names, else as many as asked for."""
    if files.case is not None:
        case = files.case
        return prepare_named(run.segment, modules=case.modules, case_path=case.path)
    asked = files.campaign["segment"]
    return prepare_stdlib(
        run.segment,
        count=asked["modules"],
        exclude=asked.get("exclude", ()),
        seed=seed,
        campaign_path=files.campaign_path,
    )


def _asks_modules(target: Mapping[str, Any]) -> bool:
    """Whether the target asks about Python modules and searches, as one of the library's does."""
    return all(one["keys"] in {"modules", "queries"} for one in target["operations"].values())


def _folder(files: Asked) -> Path:
    """Return the folder that a campaign copies: beside its own file, or beside the target's."""
    name = files.campaign["segment"]["folder"]
    beside = [files.campaign_path.parent / name, files.target_path.parent / name]
    found: Path = next((path for path in beside if path.is_dir()), beside[0])
    return found.resolve()


def _refuse_full_cache(subject: Target, files: Asked) -> None:
    """The cache starts empty, or a run proves nothing of a cold one."""
    cache = files.target["cache"]
    by_role = files_by_role(subject.cache_folder, cache["roles"])
    found = [
        file.name
        for some in by_role.values()
        for file in some
        if not any(matches(file.name, glob) for glob in cache.get("protected", ()))
    ]
    if found:
        problem = (
            f"expected an empty cache after `prepare`, found {len(found)} files, such as "
            f"{found[0]!r}; add `clean`"
        )
        raise schema.located(files.target_path, problem, "cache.directory")


def _keys(files: Asked, inputs: Mapping[str, str], segment: Path, seed: int) -> list[str]:
    """Return the keys that name a file, shuffled by the seed.

    Raises:
        ConfigError: an operation has none, or an edit could not change one.
    """
    operations, keys = files.target["operations"], set[str]()
    language = Language.of(files.target)
    for kind in files.campaign["workload"]["mix"]:
        source = operations[kind]["keys"]
        if source == "modules":
            found = {name: path for path in inputs if (name := module_name(path)) is not None}
        elif source == "files":
            glob = operations[kind].get("glob", "*")
            found = {path: path for path in inputs if fnmatchcase(path, glob)}
        else:
            continue
        if not found:
            problem = f"expected files of the segment for {kind!r}, found none"
            raise schema.located(files.target_path, problem, f"operations.{kind}.glob")
        keys |= found.keys()
        _refuse_unfit(files, segment, language, found.values())
    return sorted(keys, key=lambda key: rank(seed, "file", key))


def _refuse_unfit(files: Asked, segment: Path, language: Language, paths: Iterable[str]) -> None:
    """An edit must be able to change each file twice, the second time without changing its size."""
    if not files.campaign.get("episodes", {}).get("edits"):
        return
    for path in paths:
        content = (segment / path).read_bytes()
        once = language.changed(content, _MARKS[0])
        twice = language.changed(once, _MARKS[1])
        if once in {content, twice} or len(once) != len(twice):
            problem = (
                f"expected a change of {path} that can be made twice and keeps its size, found none"
            )
            raise schema.located(files.target_path, problem, "edits")


_MARKS: Final = (1234, 5678)
