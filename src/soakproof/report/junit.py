"""The verdict as JUnit XML: one test case a criterion; pure.

FAIL is a ``failure`` and UNKNOWN an ``error``: a tool that reads JUnit counts ``skipped`` as fine,
and no evidence is never fine.
The file has no time stamp and no durations: the same verdict gives the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from soakproof.model import Verdict

__all__ = ["junit_xml"]


def junit_xml(campaign: str, verdict: Mapping[str, Any]) -> bytes:
    """Return the file.

    Args:
        campaign: the campaign's name.
        verdict: ``verdict.json``.
    """
    from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

    suite = TestSuite(f"{campaign}.{verdict['gate']}")
    suite.add_property("run_id", verdict["run_id"])
    suite.add_property("verdict", verdict["verdict"])
    suite.add_property("metrics_sha256", verdict["metrics_sha256"])
    for each in verdict["criteria"]:
        case = TestCase(_printable(each["id"]), f"soakproof.{campaign}.{verdict['gate']}", 0.0)
        case.system_out = _printable(_told(each))
        reason = _printable(each["reason"])
        if each["verdict"] == Verdict.FAIL:
            case.result = [Failure(reason, "FAIL")]
        elif each["verdict"] == Verdict.UNKNOWN:
            case.result = [Error(reason, "UNKNOWN")]
        suite.add_testcase(case)
    xml = JUnitXml("soakproof")
    xml.add_testsuite(suite)
    out = io.BytesIO()
    xml.write(out, pretty=True)
    return out.getvalue() + b"\n"


def _told(criterion: Mapping[str, Any]) -> str:
    observed = json.dumps(criterion["observed"], ensure_ascii=False)
    limit = json.dumps(criterion["limit"], ensure_ascii=False)
    return (
        f"rule: {criterion['rule']}\nobserved: {observed}\nlimit: {limit}\n"
        f"samples: {criterion['samples']} (floor {criterion['floor']})\nwhy: {criterion['why']}"
    )


def _printable(text: str) -> str:
    """Return the text without the control characters that XML has no way to write."""
    return "".join(
        c if c in "\t\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
