"""What of a plan the target's documentation does not promise to stand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["outside_contract"]

_UNSEEN_BY_TIME: Final = {
    "same_stat": "new content of the same size and time",
    "clock_back": "new content with an older time stamp",
}
"""Edits that time stamp and size do not give away for certain."""


def outside_contract(
    campaign: Mapping[str, Any], target: Mapping[str, Any], workers: int
) -> Iterator[str]:
    """Yield what a campaign does that the target does not promise to stand, in words.

    Args:
        campaign: the validated campaign.
        target: the validated target; without a contract there is nothing to hold it to.
        workers: processes at once.
    """
    contract = target.get("contract")
    if contract is None:
        return
    if contract["trusts"] == "mtime":
        for edit in campaign.get("episodes", {}).get("edits", ()):
            if edit in _UNSEEN_BY_TIME:
                yield (
                    f"the edit {edit} ({_UNSEEN_BY_TIME[edit]}): the target trusts time stamps, "
                    "so a stale answer after it breaks no promise"
                )
    if contract["processes"] == "one" and workers > 1:
        yield (
            f"{workers} processes at once: the target promises its cache to one at a time, so a "
            "wrong answer among several breaks no promise"
        )
