"""Write tables as CSV, Parquet or into a DuckDB database, a batch of rows at once."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soakproof.errors import UsageError
from soakproof.export.tables import Table

__all__ = ["FORMS", "file_of"]

_BATCH_ROWS: Final = 10_000


def file_of(to: Path, table: Table) -> Path:
    """Return the file of a table where each has one: ``run.parquet`` → ``run.faults.parquet``."""
    return to.with_name(f"{to.stem}.{table.name}{to.suffix}")


def _csv(to: Path, tables: Sequence[Table]) -> list[Path]:
    paths = [file_of(to, table) for table in tables]
    for path, table in zip(paths, tables, strict=True):
        with path.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([name for name, _ in table.columns])
            writer.writerows(table.rows())
    return paths


def _parquet(to: Path, tables: Sequence[Table]) -> list[Path]:
    arrow = _arrow(".parquet")
    from pyarrow import parquet

    paths = [file_of(to, table) for table in tables]
    for path, table in zip(paths, tables, strict=True):
        layout = _layout(arrow, table)
        with parquet.ParquetWriter(path, layout, compression="zstd") as writer:
            for batch in _batches(arrow, layout, table):
                writer.write_table(batch)
    return paths


def _duckdb(to: Path, tables: Sequence[Table]) -> list[Path]:
    arrow = _arrow(".duckdb")
    try:
        import duckdb
    except ImportError:
        raise _missing("duckdb", ".duckdb") from None
    with duckdb.connect(str(to)) as database:
        for table in tables:
            layout = _layout(arrow, table)
            for later, batch in enumerate(_batches(arrow, layout, table)):
                rows = database.from_arrow(batch)
                (rows.insert_into if later else rows.create)(table.name)
    return [to]


FORMS: Final[Mapping[str, Callable[[Path, Sequence[Table]], list[Path]]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".duckdb": _duckdb,
}
"""End of the file's name → what writes it; returns the files that it wrote."""


def _arrow(form: str) -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        import pyarrow
    except ImportError:
        raise _missing("pyarrow", form) from None
    return pyarrow


def _missing(package: str, form: str) -> UsageError:
    message = (
        f"--to: {form} expected the package {package}, found none; "
        "install it with `pip install 'soakproof[export]'`, or write .csv"
    )
    return UsageError(message)


def _layout(arrow: Any, table: Table) -> Any:  # noqa: ANN401 - pyarrow
    types = {"text": arrow.string(), "integer": arrow.int64(), "number": arrow.float64()}
    return arrow.schema([(name, types[kind]) for name, kind in table.columns])


def _batches(arrow: Any, layout: Any, table: Table) -> Iterator[Any]:  # noqa: ANN401 - pyarrow
    """Yield the rows in batches; at least one, so that a table without rows has its columns."""
    rows = table.rows()
    batch = list(itertools.islice(rows, _BATCH_ROWS))
    while True:
        columns = list(zip(*batch, strict=True)) or [() for _ in table.columns]
        arrays = [
            arrow.array(values, type=field.type)
            for values, field in zip(columns, layout, strict=True)
        ]
        yield arrow.Table.from_arrays(arrays, schema=layout)
        if not (batch := list(itertools.islice(rows, _BATCH_ROWS))):
            return
