"""Which documents of a collection someone may read: the readers of single documents, asked in one place.

Knows no route and no text. `rag/api/permit.py` decides with it; nothing else needs to.
"""

from collections.abc import Iterable, Sequence

from index.filters import Filters, ReadBy
from rag.access.policy import Caller
from rag.access.readers import Readers


class Sight:
    """What one caller sees of the documents in collections that they may read."""

    def __init__(self, readers: Readers, caller: Caller) -> None:
        self._readers = readers
        self._caller = caller

    def hidden(self, documents: Iterable[str]) -> frozenset[str]:
        """Those of these documents (ids) that have readers, and the caller is none of them."""
        if self._caller.administers:
            return frozenset()
        found = self._readers.restricted(documents)
        return frozenset(each.document for each in found if not self._caller.reads(each.collection, each.readers))

    def hidden_names(self, collection: str) -> frozenset[str]:
        """The file names of a collection (id) that may not be seen."""
        if self._caller.may(collection, "manage"):
            return frozenset()
        return self._readers.hidden(collection, self._caller.names)

    def filters(self, collections: Sequence[str], given: Filters | None) -> Filters | None:
        """Filters that let pass only what may be read of these collections (ids).

        None of them has documents with readers: the filters as they are, which costs nothing more to search by.
        """
        caller = self._caller
        whole = {each for each in collections if caller.may(each, "manage")}
        others = set(collections) - whole
        named = self._readers.named(others) if others else frozenset[str]()
        if not named:
            return given
        # Only names that occur: people without a say of their own share what is remembered of a filter.
        return (given or Filters()).having(ReadBy(tuple(sorted(named & caller.names)), tuple(sorted(whole))))
