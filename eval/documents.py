"""Reports of a run as files: Markdown and JUnit for machines that build, one HTML page for people. Needs no network."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from eval.compare import Comparison
from eval.runs import RunCase, RunInfo
from eval.trade import Trade

MOST_TEXT = 600
BINS = 10
_STYLE = files("eval").joinpath("report.css").read_text(encoding="utf-8")


def markdown(run: RunInfo, cases: Sequence[RunCase], comparison: Comparison | None = None) -> str:
    """A summary that fits into a pull request."""
    lines = [f"# {run.suite}: run {run.id}", "", "| measure | value | 95 % interval |", "|---|---:|---|"]
    lines += [f"| {name} | {value} | {interval} |" for name, value, interval in _figures(run)]
    if comparison:
        lines += ["", "## Against the baseline", "", "| measure | before | after | change | interval | |"]
        lines += ["|---|---:|---:|---:|---|---|"]
        lines += [
            f"| {d.measure} | {d.before:.3f} | {d.after:.3f} | {d.change:+.3f} | {d.between} | {d.verdict} |"
            for d in comparison.differences
        ]
        lines += ["", f"{len(comparison.changed)} cases changed."]
    failed = [case for case in cases if not case.score.right]
    if failed:
        lines += [
            "",
            f"## {len(failed)} of {len(cases)} not right",
            "",
            "| case | outcome | question |",
            "|---|---|---|",
        ]
        lines += [f"| {case.case} | {case.score.outcome} | {_cell(case.question)} |" for case in failed]
    return "\n".join(lines) + "\n"


def junit(run: RunInfo, cases: Sequence[RunCase]) -> str:
    """One test case per question; a wrong one is a failure, a crashed one an error."""
    crashed = sum(case.score.outcome == "crashed" for case in cases)
    wrong = sum(not case.score.right for case in cases) - crashed
    suite = Element(
        "testsuite", name=run.suite, tests=str(len(cases)), failures=str(wrong), errors=str(crashed), id=run.id
    )
    for case in cases:
        seconds = f"{case.score.seconds:.3f}"
        test = SubElement(suite, "testcase", classname=f"{run.suite}.{case.kind}", name=case.case, time=seconds)
        if case.score.outcome == "crashed":
            SubElement(test, "error", message=case.score.error)
        elif not case.score.right:
            failure = SubElement(test, "failure", message=f"{case.score.outcome}: {case.question}")
            failure.text = f"expected: {' | '.join(case.expected) or 'no answer'}\nsaid: {case.score.text}"
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def html(run: RunInfo, cases: Sequence[RunCase], comparison: Comparison | None = None) -> str:
    """One page with figures, two plots and every case; opens from a disk, loads nothing."""
    parts = [
        f"<h1>{escape(run.suite)}</h1>",
        f'<p class="soft">Run {run.id}, {run.created_at:%Y-%m-%d %H:%M} UTC, {len(cases)} questions</p>',
        _table(("measure", "value", "95 % interval"), _figures(run)),
    ]
    if comparison:
        rows = [
            (
                d.measure,
                f"{d.before:.3f}",
                f"{d.after:.3f}",
                f"{d.change:+.3f} ({d.low:+.3f} to {d.high:+.3f})",
                d.verdict,
            )
            for d in comparison.differences
        ]
        parts += ["<h2>Against the baseline</h2>", _table(("measure", "before", "after", "change", ""), rows)]
    parts += ["<h2>Confidence and being right</h2>", reliability_plot(cases)]
    parts += ["<h2>Seconds per question</h2>", seconds_plot(cases)]
    parts += [
        "<h2>Cases</h2>",
        *(_case(case) for case in sorted(cases, key=lambda case: (case.score.right, case.case))),
    ]
    about = [(name, _cell(str(value))) for name, value in run.about.items()]
    parts += ["<h2>Conditions</h2>", _table(("", ""), about)]
    return _page(f"{run.suite} {run.id}", parts)


def _page(title: str, parts: Sequence[str]) -> str:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def reliability_plot(cases: Sequence[RunCase]) -> str:
    """Share of right outcomes by stated confidence, as SVG. On the diagonal the confidence says what it means."""
    width, height = 420.0, 260.0
    parts = [f'<line x1="40" y1="{height - 30}" x2="{width - 10}" y2="10" stroke="var(--line)" stroke-dasharray="4"/>']
    for number in range(BINS):
        low, high = number / BINS, (number + 1) / BINS
        last = number == BINS - 1
        inside = [c for c in cases if low <= c.score.confidence and (c.score.confidence < high or last)]
        if not inside:
            continue
        right = sum(case.score.right for case in inside) / len(inside)
        x = 40 + (low + high) / 2 * (width - 50)
        y = height - 30 - right * (height - 40)
        radius = 3 + 9 * len(inside) / len(cases)
        label = f"{len(inside)} cases of confidence {low:.1f} to {high:.1f}: {right:.0%} right"
        parts.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.1f}" fill="var(--bar)"><title>{label}</title></circle>'
        )
    parts.append(f'<text x="40" y="{height - 8}">confidence 0</text><text x="{width - 24}" y="{height - 8}">1</text>')
    parts.append(f'<text x="2" y="16">right 1</text><text x="28" y="{height - 32}">0</text>')
    return f'<svg role="img" aria-label="Reliability" width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'


def trade_page(name: str, rows: Sequence[Trade], default: float) -> str:
    """What thresholds trade, as one page with a curve and its numbers; opens from a disk, loads nothing."""
    cells = [
        (f"{r.threshold:.2f}", f"{r.answered:.3f}", f"{r.answered_right:.3f}", f"{r.declined:.3f}", f"{r.wrong:.3f}")
        for r in rows
    ]
    head = ("threshold", "answered", "answered right", "declined", "wrong of all")
    title = f"{name}: evidence threshold"
    return _page(title, [f"<h1>{escape(title)}</h1>", trade_plot(rows, default), _table(head, cells)])


def trade_plot(rows: Sequence[Trade], default: float) -> str:
    """Shares by threshold, as SVG; a dashed line stands at the default."""
    width, height = 460.0, 260.0

    def place(threshold: float, share: float) -> str:
        return f"{40 + threshold * (width - 50):.1f},{height - 30 - share * (height - 40):.1f}"

    curves = (("answered_right", "var(--good)"), ("declined", "var(--bar)"), ("wrong", "var(--bad)"))
    parts = []
    for number, (measure, colour) in enumerate(curves):
        points = " ".join(place(row.threshold, getattr(row, measure)) for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        label = measure.replace("_", " ")
        parts.append(f'<text x="{50 + number * 130}" y="{height - 8}" style="fill:{colour}">{label}</text>')
    x = 40 + default * (width - 50)
    parts.append(
        f'<line x1="{x:.0f}" y1="10" x2="{x:.0f}" y2="{height - 30}" stroke="var(--line)" stroke-dasharray="4"/>'
    )
    parts.append(f'<text x="2" y="16">1</text><text x="2" y="{height - 30}">0</text>')
    return f'<svg role="img" aria-label="Trade" width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'


def seconds_plot(cases: Sequence[RunCase]) -> str:
    """How long questions took, as bars, as SVG."""
    values = sorted(case.score.seconds for case in cases)
    if not values:
        return ""
    longest = max(values[-1], 1e-3)
    counts = [0] * BINS
    for value in values:
        counts[min(int(value / longest * BINS), BINS - 1)] += 1
    bars = []
    for number, count in enumerate(counts):
        tall = 120 * count / max(counts)
        label = f"{count} questions took {number * longest / BINS:.2f} to {(number + 1) * longest / BINS:.2f} s"
        bars.append(
            f'<rect x="{10 + number * 40}" y="{130 - tall:.0f}" width="36" height="{tall:.0f}" fill="var(--bar)">'
            f"<title>{label}</title></rect>"
        )
    scale = f'<text x="10" y="146">0 s</text><text x="380" y="146">{longest:.2f} s</text>'
    return f'<svg role="img" aria-label="Seconds per question" width="430" height="150">{"".join(bars)}{scale}</svg>'


def _figures(run: RunInfo) -> list[tuple[str, str, str]]:
    intervals: Mapping[str, Any] = run.summary.get("intervals", {})
    rows = []
    for name, value in run.summary.items():
        if isinstance(value, Mapping):
            continue
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        between = intervals.get(name)
        rows.append((name, shown, f"{between[0]:.3f} to {between[1]:.3f}" if between else ""))
    return rows


def _case(case: RunCase) -> str:
    score = case.score
    sign, colour = ("right", "good") if score.right else ("not right", "bad")
    cited = "".join(f"<blockquote>{escape(text[:MOST_TEXT])}</blockquote>" for text in case.cited)
    expected = " · ".join(case.expected) or "no answer"
    faults = [*(f"does not say {fact!r}" for fact in score.unsaid), *score.broken]
    broken = f"<p><b>Broken:</b> {escape('; '.join(faults))}</p>" if faults else ""
    return (
        f'<details><summary><span class="{colour}">{sign}</span> {escape(case.question)} '
        f'<span class="soft">{escape(case.kind)}, {score.outcome}, confidence {score.confidence:.2f}</span></summary>'
        f"<p><b>Said:</b> {escape(score.text[:MOST_TEXT] or score.error)}</p><p><b>Expected:</b> {escape(expected)}</p>"
        f"{broken}"
        f"{cited}</details>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
