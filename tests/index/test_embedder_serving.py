"""Who compares rows after a change of the embedding model compares rows of one model, the one that serves."""

import numpy as np

from index.embedder_serving import ServingEmbedder, at_once
from index.generations import Generations
from index.reembed import build_and_switch
from index.search import Searcher
from rag.evidence import unit_features
from tests.fakes import HashEmbedder
from tests.index.corpus import Corpus

OLD, NEW = HashEmbedder(), HashEmbedder(dimension=48)


def test_evidence_is_judged_by_the_model_that_serves(corpus: Corpus) -> None:
    corpus.put("a.txt", "the queue has a limit of ten")
    corpus.put("b.txt", "the disk is full")
    searcher = Searcher(corpus.database, corpus.catalog, OLD, corpus.views, reopen={"old": OLD, "new": NEW}.__getitem__)
    serving = ServingEmbedder(OLD, lambda: searcher.embedder)
    searcher.refresh()
    assert at_once(serving) is OLD
    generations = Generations(corpus.database)
    generations.begin((OLD.stamp.key, "old"), (NEW.stamp.key, "new"))
    build_and_switch(generations, NEW, lambda _done, _of: None)
    searcher.refresh()
    assert at_once(serving) is NEW
    assert serving.stamp == NEW.stamp
    question = "what limit has the queue?"
    passages = searcher.search(question, collections=[corpus.collection], k=2).passages
    judged = {unit.text: features["cosine"] for unit, features in unit_features(serving, question, passages)}
    for text, cosine in judged.items():
        assert np.isclose(cosine, NEW.embed([text])[0] @ NEW.embed_query(question), atol=1e-5)
    searcher.close()


def test_a_model_that_was_taken_stays_while_another_serves() -> None:
    now = [OLD]
    serving = ServingEmbedder(OLD, lambda: now[0])
    taken = at_once(serving)
    now[0] = NEW
    assert (taken.stamp.dimension, serving.stamp.dimension) == (OLD.stamp.dimension, 48)
    assert serving.embed(["a", "b"]).shape == (2, 48)
    assert serving.embed_query("a").shape == (48,)
    assert at_once(OLD) is OLD
