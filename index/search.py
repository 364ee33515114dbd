"""Search over one database: its views are opened, followed, proved and switched here, and asked by `index/asking.py`.

A document whose deletion returned before a question came is never found by it. Knows no HTTP, prompt or file format.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from index.asking import Asking, Question, Serving
from index.catalog import Catalog
from index.clock import Clock
from index.database import Database
from index.embedder import Embedder, EmbedderStamp
from index.erasing import Eraser
from index.errors import EmbedderMismatch
from index.filters import Condition, Filters, Joined, Prefix
from index.generations import serving
from index.passage import SearchMode, SearchResult
from index.passing import Passing
from index.proof import Finding, check_truth, check_views, deletion, traces
from index.recheck import wanted
from index.rerank import Reranker
from index.scope import Scope
from index.spelling import corrected
from index.vector_base import Limits
from index.views import Dense, Views
from index.wording import Wording, read_wording

_LOOK_SECONDS = 0.02

_log = logging.getLogger(__name__)


class Searcher:
    """Search over one database. Thread-safe. `views` is the folder of the snapshots.

    `start` follows the change log in the background; without it, `refresh` brings the views up to date.
    """

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        embedder: Embedder,
        views: Path,
        *,
        flat_limit: int = 5_000,
        sq8_limit: int = 300_000,
        delta_limit: int = 20_000,
        poll_seconds: float = 0.2,
        erase_seconds: float = 300.0,
        erase_file_bytes: int = 512 << 20,
        dense: Dense = "faiss",
        reopen: Callable[[str], Embedder] | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        """`reranker` orders the best passages anew, for every question; it is closed here.

        `reopen` loads an embedding model by name or path, for when another one serves; without it, none does here.

        `embedder` stays the caller's to close; what `reopen` gave is closed here.
        """
        self._database = database
        self._catalog = catalog

        def new_views(stamp: EmbedderStamp) -> Views:
            return Views(
                database,
                stamp.key,
                stamp.dimension,
                views,
                limits=Limits(flat_limit, sq8_limit, delta_limit),
                dense=dense,
            )

        self._new_views = new_views
        self._serving = Serving(embedder, self._new_views(embedder.stamp))
        self._passing = Passing()
        self._eraser = Eraser(database, erase_seconds, erase_file_bytes)
        self._reopen = reopen
        self._asking = Asking(database, self._passing, reranker)
        self._reranker = reranker
        self._given = embedder
        self._reopened: list[Embedder] = []
        self._switching = threading.Lock()
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._follower: threading.Thread | None = None
        self._follow_errors = 0

    @property
    def ready(self) -> bool:
        """Whether the views are open and searching waits for nothing."""
        return self._views.moment is not None

    @property
    def stamp(self) -> str:
        """Of the embedder that answers now."""
        return self._serving.stamp

    @property
    def embedder(self) -> Embedder:
        """Who embeds questions now."""
        return self._serving.embedder

    @property
    def _views(self) -> Views:
        return self._serving.views

    def start(self) -> None:
        """Open the views and follow the log, both in the background. Raises EmbedderMismatch at once."""
        self._views.check_stamp()
        if self._follower is None:
            self._stop.clear()
            self._follower = threading.Thread(target=self._follow, name="footnote-follower", daemon=True)
            self._follower.start()

    def close(self) -> None:
        """Stop following and let go of the views. Harmless when repeated."""
        self._stop.set()
        if self._follower is not None:
            self._follower.join()
            self._follower = None
        self._views.close()
        for embedder in self._reopened:
            embedder.close()
        if self._reranker is not None:
            self._reranker.close()

    def refresh(self) -> None:
        """Bring the views up to the end of the log, now, under the embedder that serves."""
        self._switch_if_due()
        self._views.catch_up()

    def wait_for_log(self, seconds: float) -> bool:
        """Until questions see all that was committed before this call, at most so long; blocking. Whether they do.

        Waits for nothing where nobody follows the log.
        """
        if self._follower is None:
            return False
        seq, end = self._catalog.latest_seq(), time.monotonic() + seconds
        while (moment := self._views.moment) is None or moment.applied_seq < seq:
            if time.monotonic() > end or self._stop.wait(_LOOK_SECONDS):
                return False
        return True

    def compact(self) -> None:
        """Write both views to new snapshots and serve from them. Raises ViewsUnwritable."""
        self._views.compact()

    def verify(self) -> Iterator[Finding]:
        """Hold the truth to its laws, and the views and snapshots to the truth."""
        serving = self._serving
        yield from check_truth(self._database, serving.stamp, serving.embedder.stamp.dimension)
        faults = self._views.snapshot_faults()  # before the views are opened, which sets bad ones aside
        yield Finding("view", "snapshots", not faults, "; ".join(faults) or "match their checksums")
        yield from check_views(self._database, serving.stamp, serving.views.catch_up())

    def repair(self) -> None:
        """Build both views anew from SQL; other processes follow. Raises ViewsUnwritable."""
        self._views.rebuild()

    def traces(self, document: str) -> Iterator[Finding]:
        """Look for what a deleted document (id) left in rows, views and snapshots.

        Raises NoSuchDocument if it is still there or never was.
        """
        gone = deletion(self._database, document)
        yield from traces(self._database, gone.key, self._views.catch_up())
        older = self._views.older_copies(gone.at.timestamp())
        yield Finding("trace", "older copies of the views", not older, "; ".join(older) or "none")

    def status(self) -> Mapping[str, Any]:
        """`ready`, `applied_seq`, `latest_seq`, the class of each view, `chunks`, and counts of trouble."""
        return {
            **self._views.status(),
            "ready": self.ready,
            "latest_seq": self._catalog.latest_seq(),
            "follow_errors": self._follow_errors,
        }

    def search(
        self,
        query: str,
        *,
        collections: Sequence[str],
        k: int = 10,
        filters: Filters | None = None,
        mode: SearchMode = "hybrid",
        exact: bool = False,
        per_document: int | None = None,
        operators: bool = False,
        background: Sequence[tuple[str, float]] = (),
    ) -> SearchResult:
        """The k best passages of these collections (ids), best first, of one document at most `per_document`.

        `exact` scans every vector in SQL instead of asking the dense view. With `operators`, quoted phrases, -excluded
        words and title:beginnings in the query mean what they say. `background` are further texts, such as what was
        asked before, whose words count too, each by its weight below 1. Raises NoSuchCollection, EmbedderMismatch.
        """
        clock = Clock()
        query = query.encode("utf-8", "replace").decode()  # a lone surrogate is no text that tokenizers take
        wording = read_wording(query) if operators else Wording(query)
        serving = self._serving
        vector = None if mode == "lexical" else serving.embedder.embed_query(wording.text)
        clock.lap("embed")
        question = Question(
            text=wording.text,
            serving=serving,
            vector=vector,
            collections=collections,
            k=k,
            filters=(filters or Filters()).having(*map(_titled, wording.titles)),
            mode=mode,
            exact=exact,
            per_document=per_document,
            phrases=wording.phrases,
            without=wording.without,
            background=background,
        )
        result = self._asking.answer(question, clock)
        if len(result.passages) < k and any(drop.reason == "gone" for drop in result.dropped):
            # The views lag behind deletions, and the dead took the places of the living.
            serving.views.catch_up()
            result = self._asking.answer(question, clock)
        return result

    def spelled(self, text: str, *, collections: Sequence[str], filters: Filters | None = None) -> str:
        """The text with mistyped words put right by those of these collections (ids). Raises NoSuchCollection."""
        serving = self._serving
        moment = serving.views.moment or serving.views.catch_up()

        def is_known(word: str) -> bool:
            return moment.lexical.knows(word) or len(serving.embedder.offsets(word)) == 1

        def words_beginning(letters: str) -> list[str]:
            return moment.lexical.words_beginning(letters, self._scope(collections, filters))

        return corrected(text, is_known, words_beginning)

    def counts(
        self, words: Sequence[str], *, collections: Sequence[str], filters: Filters | None = None
    ) -> tuple[list[int], int]:
        """How many passages of these collections (ids) hold each word in any of its forms, and how many there are.

        As the view sees it: it may lag. Raises NoSuchCollection.
        """
        moment = self._views.moment or self._views.catch_up()
        return moment.lexical.counts(words, self._scope(collections, filters))

    def _scope(self, collections: Sequence[str], filters: Filters | None) -> Scope:
        with self._database.read() as session:
            return wanted(session, collections, filters or Filters(), None, self._passing).scope

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
                self._eraser.look(self._views)
            except Exception:  # noqa: BLE001
                # The follower must outlive a locked database and a full disk; SQL still guards what is shown.
                self._follow_errors += 1
                if self._follow_errors == 1 or self._follow_errors % 100 == 0:
                    _log.exception("the views could not follow the change log (%d times)", self._follow_errors)
            self._stop.wait(self._poll_seconds)

    def _switch_if_due(self) -> None:
        """Open the embedder and the views of the generation that serves now, then answer from them.

        Until they are open, questions are answered from the ones before.
        """
        if self._reopen is None:
            return
        with self._switching:
            with self._database.read() as session:
                now = serving(session)
            before = self._serving
            if now is None or now[0] == before.stamp:
                return
            stamp, model = now
            embedder = next((each for each in (self._given, *self._reopened) if each.stamp.key == stamp), None)
            if embedder is None:
                embedder = self._reopen(model)
                if embedder.stamp.key != stamp:
                    embedder.close()
                    raise EmbedderMismatch(
                        f"the model {model} gives vectors of {embedder.stamp.key} here, but {stamp} serves; "
                        "use the same backend and precision everywhere"
                    )
                self._reopened.append(embedder)
            views = self._new_views(embedder.stamp)
            views.catch_up()
            self._serving = Serving(embedder, views)
            before.views.retire()
            _log.info("questions are answered from the vectors of %s", stamp)


def _titled(beginning: str) -> Condition:
    return Joined("or", (Prefix("title", beginning), Prefix("name", beginning)))
