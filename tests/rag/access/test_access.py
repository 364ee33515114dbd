"""People, keys, sessions and grants over a real database: what is good, until when, and what ends it."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from index.catalog import Catalog
from index.database import Database
from index.errors import FootnoteError, NoSuchCollection
from index.schema import utc_now
from rag.access import errors
from rag.access.passwords import Passwords
from rag.access.policy import COMMAND_LINE, Caller, check_administers, checked_name, checked_scopes
from rag.access.room import Access
from rag.access.schema import SignedIn
from rag.access.secret import FILE_NAME, key_id, new_key, open_seal
from tests.databases import migrated

PASSWORD = "correct horse battery"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = migrated(f"sqlite:///{tmp_path / 'footnote.db'}")
    yield database
    database.close()


@pytest.fixture
def access(database: Database, tmp_path: Path) -> Access:
    return Access(database, tmp_path, passwords=Passwords(cost=1))


@pytest.fixture
def member(access: Access) -> str:
    access.people.create("Olga Owner", "owner", COMMAND_LINE, PASSWORD)
    return access.people.create("mia", "member", COMMAND_LINE, PASSWORD).id


def test_accounts_are_in_use_from_the_first_owner_on(access: Access) -> None:
    access.people.create("mia", "member", COMMAND_LINE, PASSWORD)
    assert not access.in_use
    access.people.create("olga", "owner", COMMAND_LINE, PASSWORD)
    assert access.in_use


def test_a_name_is_one_however_it_is_written(access: Access, member: str) -> None:
    assert access.people.check_password("  MIA ", PASSWORD).id == member
    with pytest.raises(errors.NameTaken):
        access.people.create("Mia", "member", COMMAND_LINE)
    assert checked_name("  Olga   Owner ") == "olga owner"


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "a\u202eb"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(errors.BadAccess):
        checked_name(name)


@pytest.mark.parametrize(("name", "password"), [("mia", "wrong horse battery"), ("nobody", PASSWORD), ("mia", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(
    access: Access, member: str, name: str, password: str
) -> None:
    with pytest.raises(errors.SignInFailed, match="the name or the password is wrong"):
        access.people.check_password(name, password)


def test_a_program_without_a_password_cannot_sign_in(access: Access, member: str) -> None:
    access.people.create("robot", "service", COMMAND_LINE)
    for guess in ("", "nobody has this password"):
        with pytest.raises(errors.SignInFailed):
            access.people.check_password("robot", guess)


def test_passwords_are_argon2id_and_short_ones_are_refused(database: Database, access: Access, member: str) -> None:
    with database.read() as session:
        stored = session.execute(text("SELECT password FROM people")).scalars().all()
    assert all(each.startswith("$argon2id$") for each in stored)
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    with pytest.raises(errors.WeakPassword, match="11 characters, but 12"):
        access.people.set_password(member, "x" * 11, COMMAND_LINE)


def test_the_last_owner_stays(access: Access, member: str) -> None:
    owner = access.people.person("olga owner").id
    with pytest.raises(errors.LastOwner):
        access.people.suspend(owner, COMMAND_LINE)
    with pytest.raises(errors.LastOwner):
        access.people.set_role(owner, "member", COMMAND_LINE)
    access.people.create("second", "owner", COMMAND_LINE, PASSWORD)
    access.people.suspend(owner, COMMAND_LINE)
    with pytest.raises(errors.LastOwner):
        access.people.suspend(access.people.person("second").id, COMMAND_LINE)


def test_no_credential_is_stored_as_it_is_sent(database: Database, access: Access, member: str, tmp_path: Path) -> None:
    key = access.keys.create(member, "laptop", ("read",), COMMAND_LINE)
    opened = access.sessions.open(member, "mia")
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("footnote.db*"))
    assert key.info.id.encode() in kept
    for secret in (key.secret, key.secret.split("_")[2], opened.token, PASSWORD):
        assert secret.encode() not in kept
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_key_is_its_person_with_fewer_rights(access: Access, member: str) -> None:
    key = access.keys.create(member, "laptop", ("ask", "read"), COMMAND_LINE)
    caller = access.by_key(key.secret)
    assert (caller.person, caller.name, caller.role, caller.key) == (member, "mia", "member", key.info.id)
    assert caller.has_scope("read")
    assert not caller.has_scope("write")
    assert access.keys.keys(member)[0].last_used_at is not None


@pytest.mark.parametrize("change", ["letter", "checksum", "id", "short", "prefix", "empty", "unicode"])
def test_an_altered_key_is_no_key(access: Access, member: str, change: str) -> None:
    raw = access.keys.create(member, "laptop", ("read",), COMMAND_LINE).secret
    other = new_key(key_id(raw))
    altered = {
        "letter": raw[:25] + ("a" if raw[25] != "a" else "b") + raw[26:],
        "checksum": raw[:-1] + ("0" if raw[-1] != "0" else "1"),
        "id": new_key("0" * 16),
        "short": raw[:-10],
        "prefix": "sk" + raw[2:],
        "empty": "",
        "unicode": raw[:25] + "é" + raw[26:],
    }[change]
    for bad in (altered, other):
        with pytest.raises(errors.NotSignedIn):
            access.by_key(bad)


def test_a_key_ends_by_time_revocation_and_suspension(access: Access, member: str) -> None:
    with pytest.raises(errors.BadAccess, match="would have expired"):
        access.keys.create(member, "", ("read",), COMMAND_LINE, utc_now())
    short = access.keys.create(member, "", ("read",), COMMAND_LINE, utc_now() + timedelta(milliseconds=1))
    time.sleep(0.01)
    with pytest.raises(errors.NotSignedIn, match="expired at"):
        access.by_key(short.secret)
    key = access.keys.create(member, "", ("read",), COMMAND_LINE)
    caller = access.by_key(key.secret)
    access.people.suspend(member, COMMAND_LINE)
    for check in (lambda: access.by_key(key.secret), lambda: access.again(caller)):
        with pytest.raises(errors.NotSignedIn, match="suspended"):
            check()
    access.people.restore(member, COMMAND_LINE)
    assert access.again(caller) == caller
    access.keys.revoke(key.info.id, COMMAND_LINE)
    with pytest.raises(errors.NotSignedIn, match="revoked"):
        access.by_key(key.secret)
    with pytest.raises(errors.NoSuchKey):
        access.keys.rotate(key.info.id, COMMAND_LINE)


def test_a_rotated_key_has_a_new_secret_and_the_old_one_for_a_while(access: Access, member: str) -> None:
    first = access.keys.create(member, "", ("read",), COMMAND_LINE)
    second = access.keys.rotate(first.info.id, COMMAND_LINE, timedelta(hours=1))
    assert access.by_key(first.secret) == access.by_key(second.secret)
    third = access.keys.rotate(first.info.id, COMMAND_LINE)
    for old in (first, second):
        with pytest.raises(errors.NotSignedIn):
            access.by_key(old.secret)
    assert access.by_key(third.secret).key == first.info.id


def test_a_session_ends_by_signing_out_suspension_password_and_time(
    database: Database, access: Access, member: str
) -> None:
    def over(token: str) -> None:
        with pytest.raises(errors.NotSignedIn, match="session is over"):
            access.by_session(token)

    first, second = access.sessions.open(member, "mia"), access.sessions.open(member, "mia")
    caller, renewed = access.by_session(first.token)
    assert (caller.person, caller.scopes, renewed) == (member, None, None)
    access.sessions.close(first.id, caller.actor())
    over(first.token)
    third = access.sessions.open(member, "mia")
    access.people.set_password(member, PASSWORD + "!", COMMAND_LINE, keep_session=third.id)
    over(second.token)
    assert access.by_session(third.token)[0].session == third.id
    access.people.suspend(member, COMMAND_LINE)
    over(third.token)
    access.people.restore(member, COMMAND_LINE)
    for column in ("expires_at", "seen_at"):
        opened = access.sessions.open(member, "mia")
        with database.write() as session:
            session.execute(update(SignedIn).values({column: utc_now() - timedelta(hours=13)}))
        over(opened.token)


def test_a_session_is_renewed_and_its_old_token_ends(database: Database, access: Access, member: str) -> None:
    first = access.sessions.open(member, "mia")
    with database.write() as session:
        session.execute(update(SignedIn).values(rotated_at=utc_now() - timedelta(hours=1)))
    caller, fresh = access.by_session(first.token)
    assert fresh is not None
    assert access.by_session(first.token) == (caller, None)  # requests under way
    assert access.by_session(fresh) == (caller, None)
    with database.write() as session:
        session.execute(update(SignedIn).values(rotated_at=utc_now() - timedelta(minutes=2)))
    with pytest.raises(errors.NotSignedIn):
        access.by_session(first.token)
    assert access.by_session(fresh)[0] == caller


def test_grants_come_from_oneself_and_from_groups_and_the_highest_counts(
    database: Database, access: Access, member: str
) -> None:
    catalog = Catalog(database)
    one, two, three = (catalog.create_collection(name).id for name in ("one", "two", "three"))
    group = access.grants.create_group("Support", COMMAND_LINE)
    assert access.grants.join(group.id, member, COMMAND_LINE).members == (member,)
    access.grants.grant(one, "read", COMMAND_LINE, person=member)
    access.grants.grant(one, "write", COMMAND_LINE, group=group.id)
    given = access.grants.grant(two, "manage", COMMAND_LINE, group=group.id)
    caller = access.by_session(access.sessions.open(member, "mia").token)[0]
    assert caller.grants == {one: "write", two: "manage"}
    assert (caller.may(one, "write"), caller.may(one, "manage"), caller.may(three, "read")) == (True, False, False)
    again = access.grants.grant(two, "read", COMMAND_LINE, group=group.id)
    assert (again.id, again.level) == (given.id, "read")
    access.grants.leave(group.id, member, COMMAND_LINE)
    assert access.again(caller).grants == {one: "read"}
    catalog.delete_collection(one)
    assert access.again(caller).grants == {}
    access.grants.delete_group(group.id, COMMAND_LINE)
    assert access.grants.grants() == ()


def test_a_grant_is_to_one_of_two_and_to_what_exists(database: Database, access: Access, member: str) -> None:
    one = Catalog(database).create_collection("one").id
    with pytest.raises(errors.BadAccess):
        access.grants.grant(one, "read", COMMAND_LINE)
    with pytest.raises(NoSuchCollection):
        access.grants.grant("c_none", "read", COMMAND_LINE, person=member)
    with pytest.raises(errors.NoSuchGroup):
        access.grants.grant(one, "read", COMMAND_LINE, group="g_none")
    with pytest.raises(errors.NoSuchPerson):
        access.grants.grant(one, "read", COMMAND_LINE, person="u_none")


def test_who_may_administer_whom() -> None:
    def caller(role: str) -> Caller:
        return Caller("u", "name", role)  # type: ignore[arg-type]  # every role comes by

    check_administers(caller("owner"), "owner", "owner")
    check_administers(caller("admin"), "member", "admin")
    for actor, target, becomes in (
        ("admin", "owner", None),
        ("admin", "member", "owner"),
        ("evaluator", "member", None),
        ("member", "member", None),
        ("service", "service", None),
    ):
        with pytest.raises(errors.NotAllowed):
            check_administers(caller(actor), target, becomes)  # type: ignore[arg-type]


def test_scopes_are_known_and_not_empty() -> None:
    assert checked_scopes(["write", "ask", "ask"]) == ("ask", "write")
    for bad in ([], ["everything"]):
        with pytest.raises(errors.BadAccess):
            checked_scopes(bad)


def test_the_secret_may_come_from_a_setting(tmp_path: Path) -> None:
    assert open_seal(tmp_path, "x" * 32).seal("a", "b") == open_seal(tmp_path / "other", "x" * 32).seal("a", "b")
    assert not (tmp_path / FILE_NAME).exists()
    first, second = open_seal(tmp_path), open_seal(tmp_path)
    assert first.seal("a", "b") == second.seal("a", "b") != first.seal("b", "a")
    assert list(tmp_path.iterdir()) == [tmp_path / FILE_NAME]
    (tmp_path / FILE_NAME).write_bytes(b"short")
    with pytest.raises(FootnoteError, match="has 5 bytes"):
        open_seal(tmp_path)
    with pytest.raises(FootnoteError, match="at least 32"):
        open_seal(tmp_path, "short")
