"""The matrix as Markdown and as lines for a terminal; pure: the document in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from soakproof.report.cells import code, plain, table

__all__ = ["cell_line", "matrix_markdown", "row_lines"]

_WORDS: Final = {"yes": "yes", "no": "**no**", "not_shown": "not shown"}
_SEEN: Final = {"yes": "yes", "no": "no", "not_shown": "not shown"}

_HEAD: Final = (
    "# The matrix: real caches, one panel",
    "",
    "Written by `soakproof matrix` from [matrix.json](matrix.json); do not edit.",
    "`nox -s matrix` makes an environment for each tool, with the exact versions that its folder "
    "in `eval/targets/` pins, and soaks it there.",
    "",
    "Each cell is a soak of its own: the target's campaign cut down to one promise, so that it is "
    "known what broke it.",
    "What is right is said by the same tool in the same version without its cache.",
    "",
    "| cell | means |",
    "| --- | --- |",
    "| yes | every answer was right, or right again where the question is whether it heals, and "
    "there is evidence: answers checked, faults seen to take effect, edits made |",
    "| **no** | a criterion failed; it stands below with the command that repeats it from its "
    "seed |",
    "| not promised | its makers do not promise this, and the reason is given below; in brackets "
    "what was seen |",
    "| not shown | neither: the evidence is missing, and the reason is given below |",
    "",
    "## What it does not prove",
    "",
    "- A yes says that so many answers were right under these faults and edits, with this seed on "
    "this machine; it is no proof for all others.",
    "- A no is one counter-example, not a rate: how often a user meets it is not said, and often "
    "it is seldom.",
    "- The same seed gives the same schedule, faults and edits, and not the same moments: what "
    "needs two processes at once, a kill or an edit during a run may take a replay or two.",
    "- Most of these tools keep what they promise, and several questions ask for more than their "
    "makers ever said.",
    "- Nothing here compares the tools: they cache different things for different people.",
    "- A version that stands here for its defect is mostly an old one, a calibration of the panel: "
    "the version that mended it stands beside it.",
)


def matrix_markdown(document: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        document: ``matrix.json``.
    """
    lines = [*_HEAD, "", "## The table", ""]
    promises = document["promises"]
    heads = ["tool", *(plain(one["question"]) for one in promises)]
    rows = [
        [f"[{plain(row['package'])} {plain(row['version'])}](#{_anchor(row)})", *_cells(row)]
        for row in document["rows"]
    ]
    lines += [*table(heads, rows), ""]
    if document["not_run"]:
        names = ", ".join(map(code, document["not_run"]))
        lines += [f"In the panel, but not run here: {names}.", ""]
    lines += ["## The questions", ""]
    lines += table(
        ["promise", "a yes stands for"],
        [[code(one["id"]), plain(one["proves"])] for one in promises],
    )
    lines += ["", "## Seen against a promise, each with its replay", "", *_defects(document), ""]
    lines += ["## Tool by tool", ""]
    for row in document["rows"]:
        lines += _row(row)
    return "\n".join(lines).rstrip() + "\n"


def row_lines(row: Mapping[str, Any]) -> list[str]:
    """Return a row for a terminal: a line each cell, and whether it agrees with what is known."""
    lines = [f"{row['name']}: {row['package']} {row['version']} ({row['seconds']} s)"]
    lines += [f"  {cell_line(cell)}" for cell in row["cells"]]
    lines += [f"  UNEXPECTED {words}" for words in row["unexpected"]]
    return lines


def cell_line(cell: Mapping[str, Any]) -> str:
    """Return one line on a cell; of a no with its replay."""
    promised = "" if cell["promised"] else " (not promised)"
    text = f"{cell['promise']}: {_SEEN[cell['shown']]}{promised}: {cell['why']}"
    return f"{text}; replay: {cell['replay']}" if cell["shown"] == "no" else text


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    for cell in row["cells"]:
        if cell["promised"]:
            yield _WORDS[cell["shown"]]
        else:
            yield f"not promised ({_SEEN[cell['shown']]})"


def _defects(document: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            plain(f"{row['package']} {row['version']}"),
            code(cell["promise"]),
            plain(", ".join(cell["criteria"])),
            code(cell["replay"]),
        ]
        for row in document["rows"]
        for cell in row["cells"]
        if cell["shown"] == "no" and cell["promised"]
    ]
    return table(["tool", "promise", "criterion", "replay"], rows)


def _anchor(row: Mapping[str, Any]) -> str:
    """Return the anchor of a row's heading, as Markdown renderers make it."""
    kept = (char for char in str(row["name"]).lower() if char.isalnum() or char in "-_")
    return "".join(kept)


def _row(row: Mapping[str, Any]) -> list[str]:
    contract = row["contract"]
    package = f"{plain(row['package'])} {plain(row['version'])} from {plain(row['origin'])}"
    told = [
        ("what", f"{plain(row['family'])}, {package}; [documentation]({row['documentation']})"),
        ("contract", f"trusts {contract['trusts']}, {contract['processes']} at once"),
        ("in words", plain(contract["text"])),
        ("claimed", plain(row["claimed"])),
        ("found", plain(row["found"])),
    ]
    cells = [[code(cell["promise"]), _cell(cell), _why(row, cell)] for cell in row["cells"]]
    lines = [f"### {plain(row['name'])}", "", *table(["", ""], told), ""]
    return [*lines, *table(["promise", "seen", "why"], cells), ""]


def _cell(cell: Mapping[str, Any]) -> str:
    if cell["promised"]:
        return _WORDS[cell["shown"]]
    return f"not promised ({_SEEN[cell['shown']]})"


def _why(row: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    told = [plain(cell["why"])]
    if cell["counter_example"]:
        told.append(f"first: {plain(cell['counter_example'])}")
    if not cell["promised"]:
        told.append(f"not promised: {plain(row['not_promised'][cell['promise']])}")
    if cell["shown"] == "no":
        told.append(f"replay: {code(cell['replay'])}")
    return "; ".join(told)
