"""Characters per second from files to searchable against txtai and LangChain with FAISS: `python -m bench.peers`.

Each peer is installed into an environment of its own, with the same torch, and gets the same documents and the same
model in the same run. Ours goes the whole way: durable originals, jobs, a worker, parsing in a sandbox, SQL, both
views. The peers read plain text, split, embed and save an index. Knows no measure of quality.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench.environments import installed, version
from bench.ingest import PACKAGES, Work, default_folder, hand_in, plain_text_files
from bench.peer_child import PEERS
from bench.record import RESULTS, record
from eval.workplace import temporary_app
from index.embedder_model import find_model
from ingest.document import Document
from rag.settings import load_settings

_PINNED = ("torch", "sentence-transformers", "transformers", "faiss-cpu")
_WANTED = {
    "txtai": ("txtai",),
    "langchain": ("langchain-community", "langchain-huggingface", "langchain-text-splitters"),
}
_messages = Console(stderr=True, highlight=False)


@click.command()
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Documents: md, rst, txt."
)
@click.option("--files", type=click.IntRange(min=1), default=60, show_default=True, help="Most files.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Turns of each side.")
@click.option(
    "--environments",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir()) / "footnote-peers",
    show_default=True,
    help="Where the peers are installed; used again if they are there.",
)
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"), show_default=True, help="For our model.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=RESULTS / "peers.json", help="Where figures are kept."
)
def main(folder: Path | None, files: int, rounds: int, environments: Path, data: Path, output: Path) -> None:
    """Ingest the same documents here and there."""
    pythons = {peer: installed(environments / peer, packages, _PINNED) for peer, packages in _WANTED.items()}
    paths = plain_text_files(folder or default_folder())[:files]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    characters = sum(map(len, texts))
    settings, _ = load_settings({"data": data})
    unparsed = Document("", "text/plain", "", "")
    work = Work({path.name + str(n): (path, unparsed) for n, path in enumerate(paths)}, [], 0, 0.0)
    seconds: dict[str, list[float]] = {side: [] for side in ("ours", *PEERS)}
    parts: dict[str, int] = {}
    for turn in range(rounds):
        _messages.print(f"turn {turn + 1} of {rounds}: {len(paths)} files, {characters:,} characters")
        with temporary_app(settings) as app:
            app.embedder.embed(["A few words to load what is loaded late."] * 16)
            seconds["ours"].append(hand_in(app, work))
            parts["ours"] = sum(info.chunks for info in app.catalog.collections())
        for peer, python in pythons.items():
            took = _there(python, peer, texts)
            seconds[peer].append(took["seconds"])
            parts[peer] = took["parts"]
    speeds = {side: characters / statistics.median(times) for side, times in seconds.items()}
    ratios = {f"files_to_searchable_vs_{peer}": speeds["ours"] / speeds[peer] for peer in PEERS}
    figures: dict[str, Any] = {"files": len(paths), "characters": characters, "rounds": rounds}
    figures |= {f"{side}_characters_per_s": speed for side, speed in speeds.items()}
    figures |= {f"{side}_parts": count for side, count in parts.items()}
    figures |= {"peers": {peer: version(python, _WANTED[peer][0]) for peer, python in pythons.items()}}
    result = record(ratios, figures, PACKAGES, output)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def _there(python: Path, peer: str, texts: Sequence[str]) -> dict[str, Any]:
    """One turn of a peer, in a process of its own."""
    child = Path(__file__).with_name("peer_child.py")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory(prefix="footnote-peer-") as folder:
        documents = Path(folder) / "documents.json"
        documents.write_text(json.dumps(list(texts)), encoding="utf-8")
        model = str(find_model("all-MiniLM-L6-v2"))
        done = subprocess.run(
            [str(python), str(child), peer, str(documents), model, f"{folder}/index"],
            env={**os.environ, **offline, "PYTHONPATH": ""},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
