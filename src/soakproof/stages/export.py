"""The stage `export`: a run's history, faults, samples and telemetry as tables."""

from __future__ import annotations

import tempfile
from pathlib import Path

from soakproof import schema
from soakproof.errors import MissingInput, UsageError
from soakproof.export.tables import Sources, tables
from soakproof.export.writers import FORMS, file_of
from soakproof.rotation.reading import is_there
from soakproof.rundir import RunDir

__all__ = ["export"]


def export(run_dir: RunDir, to: Path) -> list[Path]:
    """Write the tables of a run, whole or not at all.

    Args:
        run_dir: the run; it is only read.
        to: the end of its name says the form. Of CSV and Parquet each table has a file of its own.

    Returns:
        The files that were written.

    Raises:
        UsageError: the form is unknown, a package for it is missing, or a file is there already.
        MissingInput: there is no history.
    """
    write = FORMS.get(to.suffix)
    if write is None:
        message = f"--to: expected a name that ends in {', '.join(FORMS)}, found {str(to)!r}"
        raise UsageError(message)
    plan = schema.load_json(run_dir.plan, "plan", hint="make it with `soakproof clean`")
    if not is_there(run_dir.history):
        hint = f"make it with `soakproof run --run-id {run_dir.run_id}`"
        raise MissingInput(run_dir.history, hint)
    names = plan["target"].get("telemetry")
    told = [] if names is None else sorted(run_dir.telemetry.glob(names["glob"]))
    made = tables(Sources(run_dir.history, run_dir.samples, told))
    for path in (to, *(file_of(to, table) for table in made)):
        if path.exists():
            message = f"--to: {path} is there already; choose another name, or remove it yourself"
            raise UsageError(message)
    if not to.parent.is_dir():
        raise UsageError(f"--to: expected a name in a folder that is there, found {str(to)!r}")
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as scratch:
        written = write(Path(scratch) / to.name, made)
        return [path.rename(to.parent / path.name) for path in written]
