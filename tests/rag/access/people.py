"""Everybody that the matrix of access knows, with what they hold, over a service with one secret collection."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from index.schema import utc_now
from rag.access.policy import COMMAND_LINE, SCOPES, Level, Role
from rag.access.schema import ApiKey
from tests.rag.conftest import Service

MARK = "zanzibar"  # in every name and text that only those with a grant may read
PASSWORD = "correct horse battery"
LEVELS: Mapping[str, Level] = {"manager": "manage", "writer": "write", "reader": "read", "evaluator": "read"}
ROLES: Mapping[str, Role] = {
    "owner": "owner",
    "admin": "admin",
    "manager": "member",
    "writer": "member",
    "reader": "member",
    "evaluator": "evaluator",
    "outsider": "member",
    "other": "member",
    "expired": "owner",
}
NOBODY = ("expired", "anonymous")
STRANGERS = ("outsider", "other", *NOBODY)
EVERYBODY = (*ROLES, "anonymous")


@dataclass
class World:
    """The service, its people by persona, and the things that requests are about."""

    service: Service
    people: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def headers(self, persona: str) -> dict[str, str]:
        return {} if persona == "anonymous" else {"Authorization": f"Bearer {self.keys[persona]}"}

    def number(self) -> int:
        self.made += 1
        return self.made

    def granted(self) -> str:
        """A fresh secret collection with everybody's grants."""
        collection = self.service.collection(f"{MARK}-{self.number()}", description=MARK)
        for persona, level in LEVELS.items():
            grants = self.service.app.access.grants
            grants.grant(collection, level, COMMAND_LINE, person=self.people[persona])
        return collection

    def document(self, collection: str) -> str:
        number = self.number()
        return self.service.document(collection, f"The {MARK} plan {number}.", f"{MARK}-{number}.md", f"{MARK} plan")

    def pdf_document(self, collection: str) -> str:
        return self.service.pdf_document(collection, f"The {MARK} plan.", f"{MARK}-{self.number()}.pdf", f"{MARK} plan")

    def waiting_job(self, collection: str) -> str:
        """A job that waits for ever, because no worker runs."""
        return self.service.app.jobs.submit(collection, f"{MARK}.md", io.BytesIO(b"# x")).id

    def job(self, collection: str) -> str:
        """A job that has ended."""
        return self.service.app.jobs.cancel(self.waiting_job(collection)).id

    def batch(self, collection: str) -> str:
        """A batch whose one job has ended."""
        jobs = self.service.app.jobs
        batch = jobs.create_batch(collection)
        jobs.cancel(jobs.submit(collection, f"{MARK}.md", io.BytesIO(b"# x"), batch=batch).id)
        return batch

    def key_of_a_program(self) -> str:
        robot = self.service.app.access.people.create(f"robot {self.number()}", "service", COMMAND_LINE)
        return self.service.app.access.keys.create(robot.id, "", ("read",), COMMAND_LINE).info.id


def populate(service: Service) -> World:
    """Make everybody. `other` belongs to a group that may manage another collection."""
    access, world = service.app.access, World(service)
    for persona, role in ROLES.items():
        person = access.people.create(persona, role, COMMAND_LINE, PASSWORD)
        world.people[persona] = person.id
        world.keys[persona] = access.keys.create(person.id, persona, SCOPES, COMMAND_LINE).secret
    with service.app.database.write() as session:
        expired: Any = update(ApiKey).where(ApiKey.name == "expired")
        session.execute(expired.values(expires_at=utc_now() - timedelta(seconds=1)))
    group = access.grants.create_group("others", COMMAND_LINE)
    access.grants.join(group.id, world.people["other"], COMMAND_LINE)
    access.grants.grant(service.collection("elsewhere"), "manage", COMMAND_LINE, group=group.id)
    return world
