"""Finds a model file by its name on the Hugging Face hub, in the local cache only. Fetches nothing."""

from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from rag.errors import ModelUnavailable


def cached_hub_file(named: Path) -> Path:
    """The file itself if it is there, else the cached one of `organisation/repository/file.gguf`.

    Raises ModelUnavailable where neither is here.
    """
    if named.is_file():
        return named
    parts = named.as_posix().split("/", 2)
    if named.is_absolute() or len(parts) < 3 or named.suffix != ".gguf" or parts[0] in ("", ".", ".."):
        raise ModelUnavailable(
            f"there is no file {named}; give the path of a GGUF file, or organisation/repository/file"
        )
    repository, file = "/".join(parts[:2]), parts[2]
    found = try_to_load_from_cache(repository, file)
    if not isinstance(found, str):
        raise ModelUnavailable(
            f"{file} of {repository} is not in this machine's cache of the hub, and nothing is downloaded; "
            f"fetch it where there is a network (hf download {repository} {file}) and give its path"
        )
    return Path(found)
