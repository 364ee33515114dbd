"""Every setting: its name, type, default and help. Reads the environment once; builds nothing.

Order of precedence: command line, environment (`FOOTNOTE_SERVER_PORT`), `footnote.toml` in the data folder
(`[server]` / `port = 8000`), default.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from rag.errors import SettingsError

ENVIRONMENT_PREFIX = "FOOTNOTE_"


def _setting(default: Any, help: str, *, secret: bool = False, choices: tuple[str, ...] = ()) -> Any:
    metadata = {"help": help, "secret": secret, "choices": choices}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """One value per setting. A field `server_port` is `server.port` in the file and `FOOTNOTE_SERVER_PORT` outside."""

    data: Path = _setting(Path("data"), "Folder that holds everything Footnote keeps.")

    server_host: str = _setting(
        "127.0.0.1", "Address to bind. Beyond loopback an owner is needed: `footnote users create-owner`."
    )
    server_port: int = _setting(8000, "Port of the API and the pages.")
    server_workers: int = _setting(1, "Ingestion worker processes that `serve` starts.")
    server_allowed_hosts: tuple[str, ...] = _setting(
        ("127.0.0.1", "localhost", "[::1]"), "Host headers that are answered (protects against DNS rebinding)."
    )

    server_answers: int = _setting(256, "Answers that may be in progress at once; more get 503 with Retry-After.")
    server_linger_seconds: float = _setting(
        20.0,
        "How long an answer that was asked with `linger`, as the page does, goes on after its client has left, so that "
        "it can come back. Others, and all with 0, stop at once.",
    )

    server_drain_seconds: float = _setting(
        5.0, "How long running answers may go on when the server is told to stop; new ones get 503 meanwhile."
    )

    server_tls_certificate: str = _setting(
        "", "PEM file of the certificate chain, to serve HTTPS. Empty: HTTP, for loopback or behind a proxy."
    )
    server_tls_key: str = _setting("", "PEM file of the certificate's key.")
    server_trusted_proxies: tuple[str, ...] = _setting(
        (), "Addresses of proxies whose X-Forwarded-For is believed when limits are counted by address."
    )
    server_body_seconds: float = _setting(
        30.0,
        "How long a client may neither send its body nor read its answer; bodies below 1 KiB/s end too. 0: for ever.",
    )

    limit_requests: int = _setting(1200, "Requests a minute of one key or person, once there are accounts. 0: any.")
    limit_streams: int = _setting(32, "Answers, and uploads, that one key or person may have running. 0: any.")
    limit_uploads: int = _setting(600, "Uploads a minute of one key or person. 0: any.")
    limit_tokens: int = _setting(0, "Tokens, read and written by models, that one person may use in 24 hours. 0: any.")
    limit_cost: float = _setting(
        0.0, "What one person's answers may cost in 24 hours, in the models' currency. 0: any."
    )
    limit_month_tokens: int = _setting(0, "The same in 30 days. 0: any.")
    limit_month_cost: float = _setting(0.0, "The same for cost in 30 days. 0: any.")
    limit_key_tokens: int = _setting(0, "Tokens that one API key may use in 24 hours, beside its person's. 0: any.")
    limit_key_cost: float = _setting(0.0, "What one API key's answers may cost in 24 hours. 0: any.")
    limit_key_month_tokens: int = _setting(0, "Tokens that one API key may use in 30 days. 0: any.")
    limit_key_month_cost: float = _setting(0.0, "What one API key's answers may cost in 30 days. 0: any.")
    limit_unknown: int = _setting(60, "Requests a minute of one address without a good credential. 0: any.")
    limit_sign_ins: int = _setting(10, "Attempts a minute to sign in from one address, and to one name. 0: any.")

    access_secret: str = _setting(
        "", "Secret that credentials are hashed with. Empty: a random one in the data folder.", secret=True
    )
    access_session_days: float = _setting(14.0, "Days after which someone signs in again, however active.")
    access_session_idle_hours: float = _setting(12.0, "Hours without a request after which someone signs in again.")

    oidc_issuer: str = _setting(
        "", "Address of an OpenID Connect provider where people may sign in, as its description names it. Empty: none."
    )
    oidc_client_id: str = _setting("", "What Footnote is called there.")
    oidc_client_secret: str = _setting("", "Its secret there. Empty: a public client, with PKCE alone.", secret=True)
    oidc_redirect_url: str = _setting(
        "",
        "Where the provider sends people back, as registered there: `https://NAME/sign-in/provider/back`. Empty: the "
        "host that the browser asked.",
    )
    oidc_label: str = _setting("Sign in with your organisation", "What the button on the page says.")
    oidc_domains: tuple[str, ...] = _setting((), "Domains of verified e-mail addresses that may sign in. Empty: all.")
    oidc_groups_claim: str = _setting("groups", "The claim that lists someone's groups.")
    oidc_roles: tuple[str, ...] = _setting(
        (), "Roles by the provider's groups, as in `leads=evaluator`; the highest counts, and is set at each sign-in."
    )
    oidc_other_role: str = _setting(
        "member",
        "Role of those in none of these groups. Empty: they may not sign in.",
        choices=("", "member", "evaluator"),
    )

    database_url: str = _setting("", "SQLAlchemy URL of the truth. Empty: SQLite in the data folder.")
    jobs_url: str = _setting("", "SQLAlchemy URL of the job queue. Empty: SQLite in the data folder.")

    embedder_model: str = _setting(
        "all-MiniLM-L6-v2", "Path or name of a sentence-transformers model. The default comes as a package."
    )
    embedder_backend: str = _setting(
        "auto",
        "Who runs the embedding model. `auto` takes OpenVINO and falls back to sentence-transformers.",
        choices=("auto", "openvino", "sentence-transformers"),
    )
    embedder_precision: str = _setting(
        "auto",
        "`auto` takes bf16 where the processor has it, else int8 where that proves as good and faster, else fp32.",
        choices=("auto", "bf16", "int8", "fp32"),
    )
    embedder_threads: int = _setting(0, "Processor threads for embedding. 0: all.")

    index_dense: str = _setting(
        "faiss",
        "Where vectors are compared: `faiss` in each process, or `pgvector`, a table of PostgreSQL for all of them.",
        choices=("faiss", "pgvector"),
    )
    index_flat_limit: int = _setting(
        5_000, "Chunks up to which each query compares with all, exactly; above it, with a sketch of each first."
    )
    index_sq8_limit: int = _setting(
        300_000, "Chunks up to which each query looks at the sketches of all; above it, at the nearest lists."
    )
    index_delta_limit: int = _setting(
        20_000,
        "Recent chunks after which they are merged into a new base; earlier where they are more than "
        "`index.flat_limit` and a fifth of the base.",
    )
    index_erase_seconds: float = _setting(
        300.0,
        "How long after a deletion what was deleted is erased from the files of the views and the database; until then "
        "it is only found by nobody. 0 leaves it to `footnote verify --deleted ID --repair`.",
    )
    index_erase_file_bytes: int = _setting(
        512 << 20,
        "A database file of SQLite up to this size is rewritten for that, while those who write wait some seconds per "
        "100 MB; a larger one only by the command.",
    )

    retrieve_rerank: str = _setting(
        "none",
        "A model that reads question and passage together and orders the best passages anew: the folder or the locally "
        "cached name of a sentence-transformers cross-encoder, or `none`.",
    )
    retrieve_rerank_candidates: int = _setting(30, "Passages that it reads for a question; each costs time.")

    ingest_max_file_bytes: int = _setting(2 * 1024**3, "Largest upload.")
    ingest_parse_seconds: float = _setting(300.0, "Wall time one file may take to parse.")
    ingest_parse_memory_bytes: int = _setting(1536 * 1024**2, "Memory the parsing child process may use.")
    ingest_versions: int = _setting(
        20, "Versions of a document that are kept, the newest; answers come from the newest alone. 0: all."
    )
    ingest_max_characters: int = _setting(50_000_000, "Longest text one file may yield.")
    ingest_ocr: str = _setting(
        "auto",
        "Which pages of a PDF tesseract reads, where it is installed: none, those without text, or all.",
        choices=("off", "auto", "always"),
    )
    ingest_ocr_languages: str = _setting("eng", "Languages of scanned pages as tesseract names them, as in `eng+deu`.")

    sources_web: str = _setting(
        "off",
        "Whether pages and sitemaps of the web may be synced. Only public addresses are read.",
        choices=("off", "on"),
    )
    sources_web_allow: tuple[str, ...] = _setting(
        (), "Places beyond the public web that may be read all the same, as `wiki.example.org:8443`."
    )
    sources_web_pages: int = _setting(1000, "Most pages of one sitemap.")
    sources_web_page_bytes: int = _setting(50 * 1024**2, "Largest page, unpacked.")
    sources_web_seconds: float = _setting(600.0, "Wall time to read the pages of one source; the rest is left.")
    sources_folders: tuple[str, ...] = _setting(
        (), "Folders of the server that may be synced through the API, with all below them. Empty: none."
    )

    model_default: str = _setting("local", "Model that answers when the question names none.")
    model_allowed: tuple[str, ...] = _setting((), "Models that may be chosen beside the default one. Empty: all.")
    model_path: str = _setting("", "Path of a GGUF file for `local`. Empty: the packaged SmolLM2-135M-Instruct.")
    model_threads: int = _setting(0, "Processor threads for the local model. 0: all.")
    model_gpu_layers: int = _setting(
        -1, "Layers that go to a graphics processor, where the build has one. -1: as many as its free memory holds."
    )
    model_context_tokens: int = _setting(4096, "Context of each running answer, in tokens of the model.")
    model_sequences: int = _setting(4, "Answers the local model generates at the same time.")
    model_queue: int = _setting(32, "Questions that may wait for the local model; more get 503 with Retry-After.")

    model_wait_seconds: float = _setting(
        300.0, "How long a question may wait for the local model before it gets 503 with Retry-After. 0: for ever."
    )
    model_kv: str = _setting(
        "f16",
        "How running answers are held in memory. `q8_0` halves it, and words come slower on a processor.",
        choices=("f16", "q8_0"),
    )
    model_idle_seconds: float = _setting(
        0.0,
        "How long a local model may be unused before it leaves the memory; the next question loads it. 0: it stays.",
    )
    model_optimize: str = _setting(
        "auto",
        "`auto`: when the server has nothing to do, the default local model is converted once into what is fastest on "
        "this processor, as `footnote models optimize` does.",
        choices=("auto", "off"),
    )
    model_optimize_loss: float = _setting(
        0.01, "By which share the perplexity of a converted model may be higher than that of the file as shipped."
    )

    openai_base_url: str = _setting("", "Base URL of an OpenAI-compatible endpoint. Empty: the official one.")
    openai_api: str = _setting(
        "chat", "Which of its protocols that endpoint is spoken to in.", choices=("chat", "responses")
    )
    openai_azure_version: str = _setting(
        "", "Version of the API, where the endpoint is Azure's: the base URL is the resource, the model a deployment."
    )
    openai_api_key: str = _setting("", "Key for that endpoint. Without it there is no such model.", secret=True)
    openai_model: str = _setting("", "Model name there.")
    openai_context_tokens: int = _setting(32_768, "Context of that model, in tokens.")
    anthropic_base_url: str = _setting("", "Base URL of the Anthropic API. Empty: the official one.")
    anthropic_api_key: str = _setting("", "Key for the Anthropic API.", secret=True)
    anthropic_model: str = _setting("", "Model name there.")
    anthropic_context_tokens: int = _setting(200_000, "Context of that model, in tokens.")
    router_closed: str = _setting(
        "",
        "The closed model that `closed`, `local-then-closed` and the other policies mean. Empty: the first with a key.",
    )
    router_patience_seconds: float = _setting(
        20.0, "Estimated wait for the first model from which `local-then-closed` and its reverse ask the second."
    )
    router_long_tokens: int = _setting(2000, "Tokens of a prompt from which `by-length` asks the closed model.")
    price_models: tuple[str, ...] = _setting(
        (), "Prices per million tokens of prompt and answer (and cached prompt), as in `openai:gpt-x=0.5/1.5`."
    )
    price_currency: str = _setting("USD", "Currency of the prices.")
    carbon_grams_per_kwh: float = _setting(
        0.0, "Carbon dioxide of your electricity, to estimate that of each answer. 0: nothing is estimated."
    )
    carbon_watts: float = _setting(65.0, "What this machine draws while it answers, for that estimate.")
    carbon_remote_wh: float = _setting(0.3, "Watt hours per 1,000 tokens of a remote model, for that estimate.")
    remote_timeout_seconds: float = _setting(60.0, "Longest silence of a remote model before its answer is given up.")

    answer_passages: int = _setting(8, "Passages retrieved for a question.")
    answer_max_tokens: int = _setting(160, "Longest generated answer, in tokens of the model.")
    answer_temperature: float = _setting(0.0, "Sampling temperature. 0 is deterministic.")
    answer_evidence_threshold: float = _setting(
        0.28, "Evidence scored lower than this cannot answer: Footnote abstains. Between 0 and 1."
    )
    answer_support_threshold: float = _setting(
        0.5, "A generated sentence whose support is scored lower is marked as unsupported. Between 0 and 1."
    )

    answer_reader: str = _setting(
        "packaged",
        "What reads for the answer: `packaged`, the small network that comes with Footnote (English), or `none`.",
        choices=("packaged", "none"),
    )
    answer_generated: str = _setting(
        "auto",
        "When a generated text may stand. `strict`: sentence by sentence, only what follows the best evidence closely. "
        "`supported`: when most of it is supported. `auto`: strict for the local model, supported for others.",
        choices=("auto", "strict", "supported"),
    )

    log_level: str = _setting("info", "How much is logged.", choices=("debug", "info", "warning", "error"))

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data.resolve() / 'footnote.db'}"

    @property
    def resolved_jobs_url(self) -> str:
        return self.jobs_url or f"sqlite:///{self.data.resolve() / 'jobs.db'}"


def setting_name(attribute: str) -> str:
    """`server_port` -> `server.port`; top-level settings keep their name."""
    section, _, rest = attribute.partition("_")
    return f"{section}.{rest}" if rest else section


def environment_name(attribute: str) -> str:
    """`server_port` -> `FOOTNOTE_SERVER_PORT`."""
    return ENVIRONMENT_PREFIX + attribute.upper()


def load_settings(
    overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Settings, Mapping[str, str]]:
    """Read all sources once.

    `overrides` maps attributes (`server_port`) to values from the command line; None values are ignored.
    Returns the settings and, per attribute, where its value came from: "command line",
    "environment", "footnote.toml" or "default".
    Raises SettingsError with the offending name.
    """
    environment = os.environ if environment is None else environment
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    data = Path(given.get("data") or environment.get(environment_name("data")) or Settings().data)
    from_file = _read_file(data / "footnote.toml")
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for item in fields(Settings):
        sources = (
            ("command line", given.get(item.name)),
            ("environment", environment.get(environment_name(item.name))),
            ("footnote.toml", from_file.get(item.name)),
        )
        origin[item.name], raw = next(((w, v) for w, v in sources if v is not None), ("default", None))
        if raw is not None:
            values[item.name] = _convert(item, hints[item.name], raw, origin[item.name])
    _refuse_unknown(environment, from_file)
    return replace(Settings(), **values), origin


def override(
    settings: Settings, origin: Mapping[str, str], given: Mapping[str, Any]
) -> tuple[Settings, Mapping[str, str]]:
    """The settings with values of a command's own options put over them; None values are ignored."""
    changed = {name: value for name, value in given.items() if value is not None}
    return replace(settings, **changed), {**origin, **dict.fromkeys(changed, "command line")}


def is_secret(attribute: str) -> bool:
    """Whether the value must never be shown."""
    return bool(next(f for f in fields(Settings) if f.name == attribute).metadata["secret"])


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML ({error}); mend it or remove it") from error
    flat: dict[str, Any] = {}
    for section, content in tables.items():
        if isinstance(content, dict):
            flat |= {f"{section}_{name}": value for name, value in content.items()}
        else:
            flat[section] = content
    return flat


def _refuse_unknown(environment: Mapping[str, str], from_file: Mapping[str, Any]) -> None:
    known = {item.name for item in fields(Settings)}
    for name in from_file:
        if name not in known:
            raise SettingsError(
                f"footnote.toml sets {setting_name(name)!r}, which is no setting; see `footnote settings`"
            )
    elsewhere = {"FOOTNOTE_EVAL_DATA", "FOOTNOTE_TRAIN_DATA"}
    known_outside = {environment_name(name) for name in known} | elsewhere
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known_outside:
            raise SettingsError(f"the environment sets {name}, which is no setting; see `footnote settings`")


def _convert(item: "Field[Any]", kind: Any, raw: Any, where: str) -> Any:
    name = setting_name(item.name)
    choices = item.metadata["choices"]
    try:
        if kind is int:
            value: Any = int(raw)
        elif kind is float:
            value = float(raw)
        elif kind is Path:
            value = Path(raw)
        elif kind == tuple[str, ...]:
            value = tuple(part.strip() for part in raw.split(",")) if isinstance(raw, str) else tuple(raw)
        else:
            value = str(raw)
    except (TypeError, ValueError) as error:
        wanted = getattr(kind, "__name__", str(kind))
        raise SettingsError(f"{name} is {raw!r} ({where}), but {wanted} was wanted") from error
    if choices and value not in choices:
        raise SettingsError(f"{name} is {value!r} ({where}), but one of {', '.join(choices)} was wanted")
    if kind in (int, float) and value < 0:
        raise SettingsError(f"{name} is {value} ({where}), but it cannot be negative")
    return value
