"""How well each file of a collection was taken in, worst first. Reads rows; parses nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from index.catalog import Catalog
from index.rows import DocumentInfo
from ingest.job import JobInfo
from ingest.jobs import Jobs

_PAGE = 500
_DROPPED = 0.02  # for each sentence on what was left out, at most ten of them
_MOST_SENTENCES = 10


@dataclass(frozen=True, slots=True)
class Quality:
    """One file. `score` is 1 for one read whole and 0 for one not read at all; `report` as the document's own."""

    name: str
    document: str | None
    job: str | None
    score: float
    error: str | None
    report: Mapping[str, Any]


def quality_of(report: Mapping[str, Any]) -> float:
    """0..1 of a document's report: what it lost, weighed."""
    pages = int(report.get("pages") or 0)
    score = 1.0
    if pages:
        score -= 0.6 * len(report.get("pages_without_text") or ()) / pages
        score -= 0.1 * len(report.get("pages_recognised") or ()) / pages
    confidence = report.get("encoding_confidence")
    if confidence is not None:
        score -= 0.2 * (1.0 - float(confidence))
    score -= _DROPPED * min(_MOST_SENTENCES, len(report.get("dropped") or ()))
    return round(max(0.0, score), 3)


def qualities(catalog: Catalog, jobs: Jobs, collection: str) -> list[Quality]:
    """Every current document of a collection (id) and every file whose newest upload failed, worst first."""
    found = [
        Quality(info.name, info.id, None, quality_of(info.report), None, info.report)
        for info in _documents(catalog, collection)
    ]
    current = {quality.name for quality in found}
    failed: dict[str, JobInfo] = {}
    for job in _failed(jobs, collection):
        failed.setdefault(job.name, job)
    for name, job in failed.items():
        note = f"{job.error} (an earlier version is still searched)" if name in current else job.error
        found.append(Quality(name, None, job.id, 0.0, note, {}))
    return sorted(found, key=lambda quality: (quality.score, quality.name))


def _documents(catalog: Catalog, collection: str) -> Iterator[DocumentInfo]:
    cursor = None
    while True:
        page = catalog.documents(collection, _PAGE, cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _failed(jobs: Jobs, collection: str) -> Iterator[JobInfo]:
    """Failed jobs, newest first, without those that a later upload of the same name made good."""
    cursor = None
    done: set[str] = set()
    while True:
        page = jobs.jobs(collection=collection, limit=_PAGE, cursor=cursor)
        for job in page.items:
            if job.state == "done":
                done.add(job.name)
            elif job.state == "failed" and job.name not in done:
                yield job
        cursor = page.next_cursor
        if cursor is None:
            return
