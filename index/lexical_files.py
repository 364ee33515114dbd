"""Which files make up a committed tantivy index, and how another folder comes to hold them. Knows no words, no queries.

While a writer lives, its merges add files and take others away at any time. `meta.json` names the segments of the last
commit, is replaced and never rewritten, and files of a segment that it names never change: they may be linked.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

META, MANAGED = "meta.json", ".managed.json"
_ATTEMPTS = 50  # merges end every few seconds at most, and linking takes milliseconds


def link_committed(source: Path, target: Path) -> None:
    """Put the last commit of a living index into an empty folder. Raises OSError or RuntimeError."""
    for _ in range(_ATTEMPTS):
        meta = (source / META).read_bytes()
        if _linked(source, target, json.loads(meta)) and (source / META).read_bytes() == meta:
            (target / META).write_bytes(meta)
            # So that the next writer knows which files it may remove once they are merged.
            (target / MANAGED).write_text(json.dumps(sorted({META, *(path.name for path in target.iterdir())})))
            return
        for path in target.iterdir():
            path.unlink()
    raise RuntimeError(f"{META} changed {_ATTEMPTS} times while its files were linked")


def link_all(source: Path, target: Path, leave_out: frozenset[str] = frozenset()) -> None:
    """Put the files of a folder where nobody writes into another one."""
    for path in source.iterdir():
        if path.name not in leave_out and not path.name.endswith(".lock"):
            _link(path, target / path.name)


def _linked(source: Path, target: Path, meta: Mapping[str, Any]) -> bool:
    """Link the files of these segments. False if one went away meanwhile."""
    deletions = {
        each["segment_id"].replace("-", ""): (each.get("deletes") or {}).get("opstamp") for each in meta["segments"]
    }
    try:
        for path in source.iterdir():
            segment, _, rest = path.name.partition(".")
            stale = rest.endswith(".temp") or (rest.endswith("del") and rest != f"{deletions.get(segment)}.del")
            if segment in deletions and not stale:
                _link(path, target / path.name)
    except FileNotFoundError:
        return False
    return True


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, target)  # a file system without hard links
