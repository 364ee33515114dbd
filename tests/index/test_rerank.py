"""A reranker orders the best passages anew, shows its score as a stage, and can be swapped or left out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.errors import RerankerUnavailable
from index.rerank import STAGE, Reranker, reranked
from index.search import Searcher
from rag.app import open_reranker
from rag.settings import Settings
from tests.index.corpus import Corpus


class Longest:
    """Likes long passages; notes what it was given to read."""

    name = "longest"

    def __init__(self, candidates: int = 30) -> None:
        self.candidates = candidates
        self.read: list[Sequence[str]] = []
        self.closed = False

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        assert question
        self.read.append(texts)
        return np.array([len(text) / 1000 for text in texts], np.float32)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    found = Corpus(tmp_path)
    for n in range(8):
        found.put(f"{n}.txt", "queue limit" + " w" * n)
    yield found
    found.close()


def searching(corpus: Corpus, reranker: Reranker | None) -> Searcher:
    return Searcher(corpus.database, corpus.catalog, corpus.embedder, corpus.views, reranker=reranker)


def test_the_model_has_the_last_word_and_the_other_scores_stay(corpus: Corpus) -> None:
    reranker = Longest()
    searcher = searching(corpus, reranker)
    result = searcher.search("queue limit", collections=[corpus.collection], k=3)
    assert [passage.name for passage in result.passages] == ["7.txt", "6.txt", "5.txt"]
    for passage in result.passages:
        assert passage.score == passage.stages[STAGE]
        assert {"dense", "lexical", "fused"} <= set(passage.stages)
    left_out = [each for each in result.dropped if STAGE in each.stages]
    assert len(left_out) == 5
    assert {each.reason for each in left_out} == {"beyond_k"}
    assert len({each.chunk for each in result.dropped}) == len(result.dropped)
    assert "rerank" in result.ms
    searcher.close()
    assert reranker.closed


def test_it_reads_no_more_than_it_may(corpus: Corpus) -> None:
    reranker = Longest(candidates=4)
    searcher = searching(corpus, reranker)
    assert len(searcher.search("queue limit", collections=[corpus.collection], k=2).passages) == 2
    assert [len(texts) for texts in reranker.read] == [4]
    assert len(searcher.search("queue limit", collections=[corpus.collection], k=6).passages) == 6
    searcher.close()


def test_without_one_nothing_is_reranked(corpus: Corpus) -> None:
    searcher = searching(corpus, None)
    result = searcher.search("queue limit", collections=[corpus.collection], k=3)
    assert all(STAGE not in passage.stages for passage in result.passages)
    assert reranked(Longest(), "queue", (), 3) == ([], [])
    searcher.close()
    assert open_reranker(Settings()) is None


@pytest.mark.real
def test_a_cross_encoder_is_opened_by_its_path(corpus: Corpus, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "queue", "limit", "and", "more", "words"]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path / "model"
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special).save_pretrained(folder)
    torch.manual_seed(3)
    shape = {"vocab_size": len(words), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(**shape, intermediate_size=16, max_position_embeddings=32, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)

    reranker = open_reranker(replace(Settings(), retrieve_rerank=str(folder), retrieve_rerank_candidates=5))
    assert reranker is not None
    searcher = searching(corpus, reranker)
    result = searcher.search("queue limit", collections=[corpus.collection], k=3)
    own = CrossEncoder(str(folder), local_files_only=True, device="cpu")
    expected = own.predict([("queue limit", passage.text) for passage in result.passages])
    assert np.allclose([passage.score for passage in result.passages], expected, atol=1e-5)
    assert list(expected) == sorted(expected, reverse=True)
    searcher.close()


@pytest.mark.real
def test_a_model_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RerankerUnavailable, match=r"set retrieve\.rerank to the folder of one, or to none") as caught:
        open_reranker(replace(Settings(), retrieve_rerank=str(tmp_path / "none such")))
    assert "\n" not in str(caught.value)
