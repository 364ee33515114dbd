"""The published figure of the default model on a public data set: if it is missed, chunks or vectors are broken."""

import os
from pathlib import Path

import pytest

from eval.datasets import read_beir
from eval.retrieval import fill, run_retrieval, summarise_retrieval
from eval.workplace import temporary_app
from rag.settings import Settings

DATA = Path(os.environ.get("FOOTNOTE_EVAL_DATA") or Path(__file__).parents[2] / ".." / "shared" / "eval-data")

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # from inside torch and transformers
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(
        not (DATA / "retrieval" / "scifact").is_dir(),
        reason=f"no retrieval/scifact in {DATA}; set FOOTNOTE_EVAL_DATA to the evaluation data",
    ),
]


def test_scifact_gives_the_published_figure(tmp_path: Path) -> None:
    data = read_beir(DATA / "retrieval" / "scifact")
    with temporary_app(Settings(data=tmp_path)) as app:
        plain = fill(app, data, plain=True)
        dense = summarise_retrieval(data, run_retrieval(app, data, plain, mode="dense", exact=True))
        collection = fill(app, data)
        hybrid = summarise_retrieval(data, run_retrieval(app, data, collection, mode="hybrid"))
    assert dense["questions"] == hybrid["questions"] == 300
    assert dense["crashed"] == hybrid["crashed"] == 0
    assert dense["ndcg@10"] == pytest.approx(0.645, abs=0.005)
    assert hybrid["ndcg@10"] >= 0.705
