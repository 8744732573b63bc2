"""The outcome of a run for people and programs: summary, Markdown, JSON and JUnit XML."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from eebus.conformance.catalogue import LAYERS
from eebus.conformance.runner import CaseResult, Run
from eebus.conformance.verdict import Frame, Verdict

_COLUMNS: Final = (
    Verdict.PASSED,
    Verdict.WARNING,
    Verdict.FAILED,
    Verdict.INCONCLUSIVE,
    Verdict.ERROR,
    Verdict.NOT_APPLICABLE,
)
_GOOD: Final = (Verdict.PASSED, Verdict.NOT_APPLICABLE)


def problems(results: Sequence[CaseResult], *, expected: int) -> list[str]:
    """What keeps a run from being clean: anything but passed or not applicable, and missing ids."""
    found = [
        f"{result.entry.id}: {result.verdict}, {reason_of(result)}"
        for result in results
        if result.verdict not in _GOOD
    ]
    ids = {result.entry.id for result in results}
    if len(ids) != expected:
        found.append(f"{expected - len(ids)} of {expected} ids are missing")
    return found


def reason_of(result: CaseResult) -> str:
    """Why a case did not pass: the text of the worst run, or the declaration."""
    if not result.runs:
        return result.why_not
    run = next((run for run in result.runs if run.verdict is result.verdict), result.runs[0])
    return f"{run.text} ({run.data_set})" if run.text and run.data_set else run.text


def summary(results: Sequence[CaseResult]) -> list[list[str]]:
    """A table: one row per layer with the number of cases of each verdict, and a sum."""
    rows = [["Layer", "Cases", *(str(column) for column in _COLUMNS), "runs"]]
    for layer in (*LAYERS, ""):
        of_layer = [result for result in results if layer in ("", result.entry.layer)]
        counts = Counter(result.verdict for result in of_layer)
        runs = sum(len(result.runs) for result in of_layer)
        name = layer or "all"
        rows.append([name, str(len(of_layer)), *(str(counts[column]) for column in _COLUMNS), str(runs)])
    return rows


def data_sets_of(runs: Iterable[Run]) -> str:
    """Which data sets were run, in their order."""
    return ", ".join(dict.fromkeys(run.data_set for run in runs if run.data_set))


# -- Markdown -----------------------------------------------------------------------------------------


def markdown(results: Sequence[CaseResult], introduction: str) -> str:
    """The report in the tree. It holds no times and dates, so that only a changed outcome changes it."""
    lines = [introduction.rstrip(), "", "## Summary", "", *_markdown_table(summary(results))]
    for layer in LAYERS:
        rows = [["Case", "Title", "Verdict", "Device", "Backend", "Data sets, or reason"]]
        rows += [_markdown_row(result) for result in results if result.entry.layer == layer]
        lines += ["", f"## {layer}", "", *_markdown_table(rows)]
    return "\n".join(lines) + "\n"


def _markdown_row(result: CaseResult) -> list[str]:
    clean = result.verdict is Verdict.PASSED
    return [
        f"`{result.entry.id}`",
        result.entry.title,
        str(result.verdict),
        ", ".join(dict.fromkeys(run.target for run in result.runs)) or "–",
        ", ".join(dict.fromkeys(run.backend for run in result.runs)) or "–",
        data_sets_of(result.runs) if clean else reason_of(result),
    ]


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    head, *body = escaped
    return [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, ["---"] * len(head), *body)]


# -- JSON and JUnit -----------------------------------------------------------------------------------


def as_json(results: Sequence[CaseResult]) -> str:
    """Everything, frames included."""
    return json.dumps({"cases": [_json_case(result) for result in results]}, indent=1, ensure_ascii=False)


def _json_case(result: CaseResult) -> dict[str, object]:
    entry = result.entry
    return {
        "id": entry.id,
        "layer": entry.layer,
        "title": entry.title,
        "requirements": list(entry.requirements),
        "verdict": str(result.verdict),
        "reason": "" if result.verdict is Verdict.PASSED else reason_of(result),
        "runs": [
            {
                "device": run.target,
                "backend": run.backend,
                "data_set": run.data_set,
                "verdict": str(run.verdict),
                "text": run.text,
                "seconds": round(run.seconds, 3),
                "frames": [_json_frame(frame) for frame in run.frames],
            }
            for run in result.runs
        ],
    }


def _json_frame(frame: Frame) -> dict[str, object]:
    return {
        "t": round(frame.at, 3),
        "by": "tester" if frame.sent else "device",
        "link": frame.link,
        "text": frame.text,
    }


def as_junit(results: Sequence[CaseResult]) -> str:
    """One test suite per layer, one test case per official case; a warning counts as a failure."""
    root = ET.Element("testsuites", name="EEBUS conformance")
    for layer in LAYERS:
        of_layer = [result for result in results if result.entry.layer == layer]
        if of_layer:
            _junit_suite(root, layer, of_layer)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _junit_suite(root: ET.Element, layer: str, results: Sequence[CaseResult]) -> None:
    bad = [result for result in results if result.verdict not in _GOOD]
    skipped = [result for result in results if result.verdict is Verdict.NOT_APPLICABLE]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=layer,
        tests=str(len(results)),
        failures=str(len(bad)),
        skipped=str(len(skipped)),
    )
    for result in results:
        seconds = sum(run.seconds for run in result.runs)
        element = ET.SubElement(
            suite, "testcase", classname=layer, name=result.entry.id, time=f"{seconds:.3f}"
        )
        if result.verdict is Verdict.NOT_APPLICABLE:
            ET.SubElement(element, "skipped", message=reason_of(result))
        elif result.verdict not in _GOOD:
            ET.SubElement(
                element, "failure", message=reason_of(result), type=str(result.verdict)
            ).text = "\n".join(frame_lines(result))


def frame_lines(result: CaseResult) -> list[str]:
    """The frames of the runs that did not pass, as people read them."""
    lines: list[str] = []
    for run in result.runs:
        if run.verdict not in _GOOD:
            lines.append(f"{run.target}, {run.backend}, {run.data_set or 'one data set'}: {run.text}")
            lines += [frame_line(frame) for frame in run.frames]
    return lines


def frame_line(frame: Frame) -> str:
    """One frame as people read it."""
    return f"{frame.at:10.3f} s {frame.link} {'tester →' if frame.sent else '← device'} {frame.text}"


def text_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table for a terminal."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
