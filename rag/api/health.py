"""Is the service alive, is it ready, and its figures for a collector of metrics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response, get

from index.errors import FootnoteError
from rag.api.parts import AppPart, PermitPart, RunningPart
from rag.api.permit import admins, everyone
from rag.api.running import RunningAnswers
from rag.app import App


@get("/health/live", opt=everyone(), tags=["service"])
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@get("/health/ready", sync_to_thread=True, opt=everyone(), tags=["service"])
def ready(app: AppPart, permit: PermitPart) -> Response[dict[str, Any]]:
    """Questions can be answered: 200, or 503; with what is missing for those who may know."""
    checks = {"database": _database(app), "search": "ok" if app.searcher.ready else "the views are being built"}
    checks["model"] = app.model_state
    is_ready = all(checks[name] == "ok" for name in ("database", "search"))
    shown = checks if permit.someone is not None else {}
    return Response({"ready": is_ready, "checks": shown}, status_code=200 if is_ready else 503)


@get(
    "/metrics",
    sync_to_thread=True,
    media_type="text/plain; version=0.0.4; charset=utf-8",
    opt=admins("read"),
    tags=["service"],
)
def metrics(app: AppPart, running: RunningPart) -> str:
    """Figures in the text form that Prometheus reads."""
    return "".join(_lines(_gauges(app, running)))


def _database(app: App) -> str:
    try:
        app.catalog.latest_seq()
    except FootnoteError as error:
        return str(error)
    return "ok"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure with its help line; `values` maps label text (`state="done"`, or empty) to the number."""

    name: str
    help: str
    values: Mapping[str, float]


def _gauges(app: App, running: RunningAnswers) -> Iterable[Gauge]:
    collections = app.catalog.collections()
    status = app.searcher.status()
    applied = int(status.get("applied_seq", 0))
    latest = int(status.get("latest_seq", 0))
    yield Gauge("footnote_collections", "Collections.", {"": len(collections)})
    yield Gauge("footnote_documents", "Current documents.", {"": sum(info.documents for info in collections)})
    yield Gauge("footnote_chunks", "Searchable chunks.", {"": sum(info.chunks for info in collections)})
    yield Gauge("footnote_answers_running", "Answers in progress.", {"": running.running})
    counts = app.jobs.counts()
    yield Gauge("footnote_jobs", "Jobs by state.", {f'state="{state}"': counts[state] for state in sorted(counts)})
    yield Gauge("footnote_view_applied_seq", "Change that the views have applied.", {"": applied})
    yield Gauge("footnote_view_lag", "Changes that the views have yet to apply.", {"": max(0, latest - applied)})


def _lines(gauges: Iterable[Gauge]) -> Iterable[str]:
    for gauge in gauges:
        yield f"# HELP {gauge.name} {gauge.help}\n# TYPE {gauge.name} gauge\n"
        for labels, value in gauge.values.items():
            yield f"{gauge.name}{{{labels}}} {value:g}\n" if labels else f"{gauge.name} {value:g}\n"
