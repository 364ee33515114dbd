"""Workers over a real queue: batches, retries, takeover, stopping, and what they hold at a time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from index.catalog import embedded_text, text_hash
from index.embedder import open_embedder
from index.errors import EmbedderUnavailable
from ingest.document import Document
from ingest.job import Ticket
from ingest.ledger import Ledger
from ingest.liveness import Register
from ingest.parse.limits import ParseLimits
from ingest.parse.sandbox import Sandbox
from ingest.pipeline import Pipeline
from ingest.queue import TicketQueue
from ingest.worker import SLOTS, Worker
from tests.ingest.forge import ROOT, Forge
from tests.ingest.job_rig import Rig, open_rig, parse_text

SAMPLES = ROOT / "samples" / "merrowdeck" / "documents"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = open_rig(tmp_path)
    yield rig
    rig.close()


def wait_for(what: str, condition: object, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        assert time.monotonic() < until, f"{what} did not come within {seconds} s"
        time.sleep(0.05)


@contextmanager
def working(rig: Rig, pipeline: Pipeline | None = None) -> Iterator[None]:
    """A worker in a thread of this process, stopped at the end."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            Worker(rig.database, rig.jobs_url, lambda: pipeline or rig.pipeline()).run(stop)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    assert failed == []


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    forge = Forge()
    yield forge
    forge.close()


def ended(rig: Rig) -> bool:
    return rig.jobs.counts().keys() <= {"done", "failed", "cancelled"}


def test_a_batch_ends_with_bad_files_failed_and_the_rest_searchable(rig: Rig) -> None:
    batch = rig.jobs.create_batch(rig.collection)
    for name, text in (
        ("a.txt", "a text about queues"),
        ("b.txt", "locked away"),
        ("c.txt", ""),
        ("d.txt", "a text about queues"),
        ("e.txt", "broken in transit"),
        ("a.txt", "a newer text about queues"),
    ):
        rig.submit(name, text, batch=batch)
    with working(rig):
        wait_for("the end of the batch", lambda: rig.jobs.batch(batch).ended)
    found = [(job.name, job.state, job.reason or job.outcome) for job in reversed(rig.jobs.jobs(batch=batch).items)]
    # Equal bytes are one document: whichever of the first and the fourth file comes second changes nothing.
    first, twin, last = (found[place][2] for place in (0, 3, 5))
    assert found == [
        ("a.txt", "done", first),
        ("b.txt", "failed", "encrypted-document"),
        ("c.txt", "failed", "no-text-found"),
        ("d.txt", "done", twin),
        ("e.txt", "failed", "broken-document"),
        ("a.txt", "done", last),
    ]
    assert (first, twin, last) in (
        ("added", "unchanged", "replaced"),
        ("added", "added", "replaced"),  # the fourth came after the sixth had taken the place of the first
        ("unchanged", "added", "added"),
    )
    (locked,) = (job for job in rig.jobs.jobs(state="failed").items if job.name == "b.txt")
    assert (locked.error, locked.attempts) == ("b.txt needs a password; upload a copy without one", 1)
    assert Register(rig.database).beats() == {}


@pytest.mark.real
def test_jobs_that_the_queue_never_heard_of_or_has_forgotten_are_found(rig: Rig) -> None:
    first, second = rig.submit("a.txt", "first"), rig.submit("b.txt", "second")
    rig.jobs.close()
    for path in rig.data.glob("jobs.db*"):
        path.unlink()
    with working(rig):
        wait_for("both jobs", lambda: ended(rig))
    assert [rig.jobs.job(job.id).state for job in (first, second)] == ["done", "done"]


@pytest.mark.real
def test_errors_that_may_pass_are_tried_again_and_unknown_ones_are_named(rig: Rig) -> None:
    tries: dict[str, int] = {}

    def shaky(path: Path, name: str, limits: ParseLimits) -> Document:
        tries[name] = tries.get(name, 0) + 1
        if name == "never.txt" or tries[name] < 2:
            raise RuntimeError("the parser\nis not in the mood")
        return parse_text(path, name, limits)

    rig.submit("never.txt", "a")
    rig.submit("second.txt", "b")
    with working(rig, rig.pipeline(shaky)):
        wait_for("both jobs", lambda: ended(rig))
    second, never = rig.jobs.jobs().items
    assert (second.state, second.attempts, second.error) == ("done", 2, None)
    assert (never.state, never.attempts, never.reason) == ("failed", 3, "internal-error")
    assert never.error == "RuntimeError: the parser is not in the mood"
    assert tries == {"never.txt": 3, "second.txt": 2}


@pytest.mark.real
def test_invariant_10_a_worker_holds_few_files_however_many_wait(rig: Rig) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def parse(path: Path, name: str, limits: ParseLimits) -> Document:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return parse_text(path, name, limits)

    for number in range(20):
        rig.submit(f"{number}.txt", f"text {number}")
    with working(rig, rig.pipeline(parse)):
        wait_for("some work", lambda: rig.jobs.counts().get("done", 0) > 4)
        held = TicketQueue(rig.jobs_url)
        assert len(held.holders()) <= 1
        held.close()
        wait_for("all", lambda: ended(rig))
    assert 1 <= most <= SLOTS


@pytest.mark.real
def test_a_running_job_can_be_cancelled_and_a_stopped_worker_hands_its_work_back(rig: Rig) -> None:
    parsing, go_on = threading.Event(), threading.Event()

    def slow(path: Path, name: str, limits: ParseLimits) -> Document:
        parsing.set()
        go_on.wait(20)
        return parse_text(path, name, limits)

    job = rig.submit("a.txt", "to be cancelled")
    with working(rig, rig.pipeline(slow)):
        assert parsing.wait(20)
        assert rig.jobs.cancel(job.id).state == "cancelled"
        go_on.set()
        time.sleep(0.5)
        parsing.clear()
        go_on.clear()
        other = rig.submit("b.txt", "to be handed back")
        assert parsing.wait(20)
        threading.Timer(0.5, go_on.set).start()
    assert rig.names() == []
    shown = rig.jobs.job(other.id)
    assert (shown.state, shown.attempts) == ("queued", 0)
    assert rig.jobs.retry(job.id).state == "queued"
    with working(rig):
        wait_for("both jobs", lambda: ended(rig))
    assert rig.names() == ["a.txt", "b.txt"]


def test_a_model_that_cannot_be_loaded_ends_the_worker_with_its_reason(rig: Rig) -> None:
    def build() -> Pipeline:
        raise EmbedderUnavailable("there is no such model")

    with pytest.raises(EmbedderUnavailable, match="no such model"):
        Worker(rig.database, rig.jobs_url, build).run(threading.Event())


def test_a_worker_told_to_stop_while_the_model_loads_stops(rig: Rig) -> None:
    stop, release = threading.Event(), threading.Event()

    def build() -> Pipeline:
        release.wait(20)
        return rig.pipeline()

    threading.Timer(0.2, stop.set).start()
    begin = time.monotonic()
    Worker(rig.database, rig.jobs_url, build).run(stop)
    assert time.monotonic() - begin < 5
    release.set()


@pytest.mark.real
def test_two_workers_do_sixty_jobs_once_each(rig: Rig, forge: Forge) -> None:
    for number in range(60):
        rig.submit(f"{number}.txt", f"text number {number}")
    workers = [forge.start("work", rig.data, "--until-idle") for _ in range(2)]
    assert [worker.wait(120) for worker in workers] == [0, 0]
    assert rig.jobs.counts() == {"done": 60}
    assert {job.attempts for job in rig.jobs.jobs().items} == {1}
    assert len(rig.names()) == 60
    # Sixty additions and nothing else ever happened to the corpus.
    assert rig.catalog.latest_seq() == 60


@pytest.mark.real
def test_the_work_of_a_dead_worker_is_taken_over_within_thirty_seconds(rig: Rig, forge: Forge) -> None:
    job = rig.submit("a.txt", "a text about queues")
    dying = forge.start("work", rig.data, "--parse-seconds", "600")
    wait_for("the first worker", lambda: rig.jobs.job(job.id).state == "parsing")
    other = forge.start("work", rig.data)
    wait_for("the second worker", lambda: len(Register(rig.database).beats()) == 2)
    dying.kill()
    wait_for("the takeover", lambda: rig.jobs.job(job.id).state == "done", 30)
    assert rig.jobs.job(job.id).attempts == 2
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


@pytest.mark.real
def test_the_work_of_a_frozen_worker_is_taken_over_and_its_late_writes_are_not_seen(rig: Rig, forge: Forge) -> None:
    job = rig.submit("a.txt", "a text about queues")
    frozen = forge.start("work", rig.data, "--parse-seconds", "3")
    wait_for("the first worker", lambda: rig.jobs.job(job.id).state == "parsing")
    frozen.send_signal(signal.SIGSTOP)
    try:
        other = forge.start("work", rig.data)
        wait_for("the takeover", lambda: rig.jobs.job(job.id).state == "done", 40)
        seen = rig.jobs.job(job.id)
    finally:
        frozen.send_signal(signal.SIGCONT)
    wait_for("the thawed worker to enter anew", lambda: len(Register(rig.database).beats()) == 2)
    assert rig.jobs.job(job.id) == seen
    assert rig.catalog.latest_seq() == 1
    again = rig.submit("b.txt", "both workers work on")
    wait_for("the next job", lambda: rig.jobs.job(again.id).state == "done")
    for worker in (frozen, other):
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0


@pytest.mark.real
def test_a_file_that_kills_its_workers_is_given_up_and_the_others_go_on(rig: Rig, forge: Forge) -> None:
    poison = rig.submit("poison.txt", "poison for the worker itself")
    for number in range(3):
        rig.submit(f"{number}.txt", f"text number {number}")
    for _ in range(6):
        worker = forge.start("work", rig.data, "--die-on", "poison", "--until-idle")
        if worker.wait(60) == 0:
            break
    shown = rig.jobs.job(poison.id)
    assert (shown.state, shown.reason, shown.attempts) == ("failed", "worker-died", 3)
    assert rig.jobs.counts() == {"done": 3, "failed": 1}


@pytest.mark.real
def test_sigterm_ends_a_worker_and_its_parser_within_seconds(rig: Rig, forge: Forge) -> None:
    submitted = rig.submit("large.txt", "\n\n".join(f"Paragraph {n} has few words." for n in range(100_000)))
    worker = forge.start("work", rig.data, "--real-parser")
    wait_for("the job", lambda: rig.jobs.job(submitted.id).state == "parsing")
    wait_for("the parser", lambda: psutil.Process(worker.pid).children())
    children = psutil.Process(worker.pid).children(recursive=True)
    begin = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert time.monotonic() - begin < 10
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    (job,) = rig.jobs.jobs().items
    assert (job.state, job.attempts) == ("queued", 0)
    assert TicketQueue(rig.jobs_url).missing([Ticket(job.id, round_of(rig, job.id))]) == []


@pytest.mark.real
def test_a_worker_ends_with_the_process_it_lives_with(rig: Rig) -> None:
    program = (
        "import subprocess, sys, os, time\n"
        "command = [sys.executable, '-m', 'tests.ingest.worker_driver', 'work', sys.argv[1]]\n"
        "print(subprocess.Popen([*command, '--parent', str(os.getpid())]).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", program, str(rig.data)]
    parent = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    wait_for("the worker", lambda: len(Register(rig.database).beats()) == 1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for("the end of the worker", lambda: not psutil.pid_exists(worker) or is_zombie(worker), 15)
    assert Register(rig.database).beats() == {}


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def round_of(rig: Rig, job: str) -> int:
    return next(ticket.round for _, ticket in Ledger(rig.database).unowned(0, 10) if ticket.job == job)


@pytest.mark.real
def test_the_sample_documents_come_in_with_the_real_parsers_and_the_real_model(rig: Rig) -> None:
    files = sorted(path for path in SAMPLES.rglob("*") if path.is_file())[:12]
    assert len({path.suffix for path in files}) >= 3
    for path in files:
        with path.open("rb") as stream:
            rig.jobs.submit(rig.collection, path.name, stream)
    embedder = open_embedder(cache_folder=rig.data / "models")
    with Sandbox() as sandbox, working(rig, rig.pipeline(sandbox.parse, embedder)):
        wait_for("all files", lambda: ended(rig), 300)
    assert [(job.name, job.error) for job in rig.jobs.jobs().items if job.state != "done"] == []
    # The worker closed the embedder; what it stored is what a fresh one makes.
    again = open_embedder(cache_folder=rig.data / "models")
    for document in rig.catalog.documents(rig.collection).items:
        chunks = rig.catalog.chunks(document.id)
        assert chunks
        texts = [embedded_text(chunk.heading, chunk.text) for chunk in chunks]
        stored = rig.catalog.known_vectors(again.stamp.key, map(text_hash, texts))
        cosines = [float(row @ stored[text_hash(text)]) for text, row in zip(texts, again.embed(texts), strict=True)]
        assert min(cosines) > 0.999
    again.close()
