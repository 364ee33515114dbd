"""What an admin decided for one collection beyond its egress rule, kept in its metadata. Knows no SQL."""

from collections.abc import Sequence

from index.catalog import CollectionInfo

EVIDENCE_THRESHOLD = "evidence_threshold"


def own_threshold(info: CollectionInfo) -> float | None:
    """The collection's own evidence threshold, 0..1; None where that of the settings holds."""
    value = info.metadata.get(EVIDENCE_THRESHOLD)
    return float(value) if isinstance(value, int | float) else None


def evidence_threshold(collections: Sequence[CollectionInfo], default: float) -> float:
    """The least score with which evidence answers; of several collections the strictest one's decides."""
    own = [own_threshold(info) for info in collections]
    return max((default if value is None else value for value in own), default=default)
