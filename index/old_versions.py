"""Which old versions of a document go once there are enough newer ones. The catalog alone calls it; commits nothing."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from index.queries import parts
from index.schema import Document


def drop_old_versions(session: Session, document: str, keep: int) -> list[tuple[int, int, str, str]]:
    """Delete all but the newest `keep` versions of a document's name, the current one never.

    Returns (key, collection, id, blob) of each that is gone; none for a document that is not there.
    """
    found = session.execute(select(Document.collection, Document.name).where(Document.id == document)).first()
    if found is None:
        return []
    versions = session.execute(
        select(Document.key, Document.collection, Document.id, Document.blob, Document.state)
        .where(Document.collection == found.collection, Document.name == found.name)
        .order_by(Document.version.desc(), Document.key.desc())
    ).all()
    gone = [(row.key, row.collection, row.id, row.blob) for row in versions[max(keep, 1) :] if row.state != "current"]
    for part in parts([key for key, *_ in gone]):
        session.execute(delete(Document).where(Document.key.in_(part)))
    return gone
