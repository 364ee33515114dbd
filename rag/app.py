"""The one place that builds concrete parts and passes them to each other. Knows no route and no command.

Three sets of parts: `build_app` for answering, `ingest_parts` for handing in files, `worker_parts` for taking them in.
Nothing is built at import. What imports slowly (models, dbos, faiss) is imported by the part that needs it.
"""

import logging
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from index.catalog import Catalog
from index.database import Database
from index.embedder import Embedder, open_embedder
from index.embedder_serving import ServingEmbedder
from index.errors import EmbedderUnavailable, FootnoteError
from index.generations import Generations
from index.rerank import Reranker
from index.search import Searcher
from index.views import Dense
from ingest.blobs import Blobs
from ingest.door import Door
from ingest.jobs import Jobs
from ingest.parse.limits import OcrMode, ParseLimits
from ingest.pictures import Pictures
from rag.access.room import Access
from rag.answer import Answerer, Grounding
from rag.errors import DataFolderUnusable
from rag.history import History
from rag.llm.registry import Models
from rag.processors import shares
from rag.reading import Reader
from rag.review import Review
from rag.settings import Settings
from rag.usage import Usage

if TYPE_CHECKING:
    from ingest.pipeline import Pipeline
    from ingest.worker import Worker

logger = logging.getLogger(__name__)


@dataclass
class IngestParts:
    """What handing in files needs: no model, no view."""

    database: Database
    catalog: Catalog
    blobs: Blobs
    jobs: Jobs
    door: Door

    def close(self) -> None:
        """Give back every connection."""
        self.jobs.close()
        self.database.close()


@dataclass
class App:
    """Every part of the service, open. `origin` says per setting where its value came from.

    A command uses the parts as they are; the service calls `start` first, so that the views follow other processes.
    """

    settings: Settings
    database: Database
    catalog: Catalog
    embedder: Embedder
    searcher: Searcher
    blobs: Blobs
    jobs: Jobs
    models: Models
    history: History
    answerer: Answerer
    access: Access
    reader: Reader | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    model_state: str = "not loaded yet"  # "ok" once the default model can speak
    pictures: Pictures = field(init=False)

    def __post_init__(self) -> None:
        self.pictures = Pictures(self.catalog, self.blobs)

    @property
    def door(self) -> Door:
        """Where uploads come in."""
        return Door(self.catalog, self.jobs)

    @property
    def usage(self) -> Usage:
        """What was answered and what it cost."""
        return Usage(self.database)

    @property
    def review(self) -> Review:
        """What people said of answers."""
        return Review(self.database)

    def start(self) -> None:
        """Follow the corpus, and load the default model in the background."""
        self.history.close_unfinished(timedelta(0))
        self.searcher.start()
        threading.Thread(target=self._load_model, name="load-model", daemon=True).start()

    def close(self) -> None:
        """Close every part, the users before the used."""
        self.pictures.close()
        self.answerer.close()
        self.models.close()
        self.searcher.close()
        self.embedder.close()
        self.jobs.close()
        self.database.close()

    def _load_model(self) -> None:
        self.model_state = "loading"
        try:
            self.models.get(None)
        except FootnoteError as error:
            # Search and quoted answers work without a model, so its absence is a state and no end.
            logger.warning("%s", error)
            self.model_state = str(error)
        else:
            self.model_state = "ok"


def build_app(settings: Settings, origin: Mapping[str, str] | None = None) -> App:
    """Open the data folder and build what answers questions.

    Raises DataFolderUnusable, DatabaseUnusable, DatabaseTooNew, EmbedderMismatch, EmbedderUnavailable.
    """
    parts = ingest_parts(settings)
    given = serving_embedder(settings, parts.database)
    searcher = _searcher(settings, parts.database, given)
    embedder = ServingEmbedder(given, lambda: searcher.embedder)
    models = Models(settings)
    history = History(parts.database)
    reader = _reader(settings)
    answerer = Answerer(
        searcher, parts.catalog, embedder, models, history, settings, Grounding.packaged(embedder, reader)
    )
    return App(
        settings=settings,
        database=parts.database,
        catalog=parts.catalog,
        embedder=embedder,
        searcher=searcher,
        blobs=parts.blobs,
        jobs=parts.jobs,
        models=models,
        history=history,
        answerer=answerer,
        reader=reader,
        access=open_access(settings, parts.database),
        origin=origin or {},
    )


def open_grounding(settings: Settings) -> Grounding:
    """What judges evidence and support, without documents. Raises DataFolderUnusable, EmbedderUnavailable."""
    check_data_folder(settings.data)
    return Grounding.packaged(open_model(settings), _reader(settings))


@dataclass
class ProofParts:
    """What proving and repairing needs: the truth, its views and the originals; no model that speaks."""

    database: Database
    searcher: Searcher
    embedder: Embedder
    blobs: Blobs

    def close(self) -> None:
        """Close every part, the users before the used."""
        self.searcher.close()
        self.embedder.close()
        self.database.close()


def proof_parts(settings: Settings) -> ProofParts:
    """Open the data folder and build what proves it sound.

    Raises DataFolderUnusable, DatabaseUnusable, DatabaseTooNew, EmbedderUnavailable.
    """
    check_data_folder(settings.data)
    database = Database(settings.resolved_database_url)
    database.migrate()
    embedder = serving_embedder(settings, database)
    return ProofParts(database, _searcher(settings, database, embedder), embedder, Blobs(settings.data / "blobs"))


def ingest_parts(settings: Settings) -> IngestParts:
    """Open the data folder and build what hands in files.

    Raises DataFolderUnusable, DatabaseUnusable, DatabaseTooNew.
    """
    check_data_folder(settings.data)
    database = Database(settings.resolved_database_url)
    database.migrate()
    blobs = Blobs(settings.data / "blobs")
    jobs = Jobs(database, settings.resolved_jobs_url, blobs, max_file_bytes=settings.ingest_max_file_bytes)
    catalog = Catalog(database)
    return IngestParts(database, catalog, blobs, jobs, Door(catalog, jobs))


def worker_parts(settings: Settings, parent_pid: int | None = None) -> "Worker":
    """Build one ingestion worker; it loads the embedder when it runs. With `parent_pid` it ends with that process.

    Raises DataFolderUnusable, DatabaseUnusable, DatabaseTooNew.
    """
    check_data_folder(settings.data)
    database = Database(settings.resolved_database_url)
    database.migrate()
    # Imported here: the libraries of the parsers take a fifth of a second, which a server need not wait for.
    from ingest.parse.sandbox import Sandbox
    from ingest.pipeline import Pipeline
    from ingest.worker import Worker

    sandbox = Sandbox()

    def build() -> "Pipeline":
        limits = ParseLimits(
            seconds=settings.ingest_parse_seconds,
            memory_bytes=settings.ingest_parse_memory_bytes,
            max_characters=settings.ingest_max_characters,
            ocr=cast(OcrMode, settings.ingest_ocr),
            ocr_languages=settings.ingest_ocr_languages,
        )
        sandbox.warm(limits)
        blobs = Blobs(settings.data / "blobs")
        return Pipeline(
            Catalog(database),
            serving_embedder(settings, database),
            blobs,
            limits,
            sandbox.parse,
            settings.ingest_versions,
            renew=lambda embedder: _renewed(settings, database, embedder),
        )

    return Worker(database, settings.resolved_jobs_url, build, parent_pid=parent_pid)


def open_access(settings: Settings, database: Database) -> Access:
    """The accounts over a database that is migrated. Raises DataFolderUnusable, SettingsError, BadAccess."""
    access = Access(
        database,
        settings.data,
        secret=settings.access_secret,
        session_longest=timedelta(days=settings.access_session_days),
        session_idle=timedelta(hours=settings.access_session_idle_hours),
    )
    if settings.oidc_issuer:
        # Imported here: only who signs in elsewhere needs its libraries.
        from rag.access.provider import Provider
        from rag.access.sign_on import read_rules

        given = (settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
        provider = Provider(*given, groups_claim=settings.oidc_groups_claim)
        rules = read_rules(settings.oidc_domains, settings.oidc_roles, settings.oidc_other_role)
        access.use_provider(provider, rules)
    return access


def check_data_folder(folder: Path) -> None:
    """Make the data folder if it is missing and write to it once. Raises DataFolderUnusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"footnote")
    except OSError as error:
        raise DataFolderUnusable(
            f"the data folder {folder} cannot be written ({error.strerror or error}); "
            "choose a folder you can write with --data, or mend its permissions"
        ) from error


def _searcher(settings: Settings, database: Database, embedder: Embedder) -> Searcher:
    return Searcher(
        database,
        Catalog(database),
        embedder,
        settings.data / "views",
        flat_limit=settings.index_flat_limit,
        sq8_limit=settings.index_sq8_limit,
        delta_limit=settings.index_delta_limit,
        erase_seconds=settings.index_erase_seconds,
        erase_file_bytes=settings.index_erase_file_bytes,
        dense=cast(Dense, settings.index_dense),
        reopen=lambda model: open_model(settings, model),
        reranker=open_reranker(settings),
    )


def open_reranker(settings: Settings) -> Reranker | None:
    """What orders the best passages anew, if settings name one. Raises RerankerUnavailable."""
    if settings.retrieve_rerank == "none":
        return None
    # Imported here: torch takes seconds to load, which nobody without a reranker need wait for.
    from index.rerank_cross_encoder import CrossEncoderReranker

    candidates = max(1, settings.retrieve_rerank_candidates)
    return CrossEncoderReranker(settings.retrieve_rerank, candidates, shares(settings).embedder)


def serving_embedder(settings: Settings, database: Database) -> Embedder:
    """The embedder of the vectors that serve: the settings' one, unless `footnote models embed` changed it.

    Raises EmbedderUnavailable.
    """
    now = Generations(database).serving()
    return open_model(settings, now[1] if now else None)


def open_model(settings: Settings, model: str | None = None) -> Embedder:
    """An embedding model by name or path, theirs if none is named, run as settings say. Raises EmbedderUnavailable."""
    return open_embedder(
        model=model or settings.embedder_model,
        backend=settings.embedder_backend,
        precision=settings.embedder_precision,
        threads=shares(settings).embedder,
        cache_folder=settings.data / "models",
    )


def _renewed(settings: Settings, database: Database, embedder: Embedder) -> Embedder:
    """The same embedder while its vectors serve; else the one whose do."""
    now = Generations(database).serving()
    if now is None or now[0] == embedder.stamp.key:
        return embedder
    return open_model(settings, now[1])


def _reader(settings: Settings) -> Reader | None:
    if settings.answer_reader == "none":
        return None
    try:
        # Imported here: OpenVINO takes a third of a second, which commands that answer nothing need not wait for.
        from rag.reader import OpenVINOReader

        return OpenVINOReader(settings.data / "models", settings.embedder_precision, shares(settings).embedder)
    except (EmbedderUnavailable, ImportError) as error:
        logger.warning("%s; evidence is judged by words and vectors alone, less well", error)
        return None
