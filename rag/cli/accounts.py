"""`footnote users`, `keys` and `audit`: accounts from the terminal, by whoever may read the data folder."""

import sys
from datetime import timedelta

import click

from index.schema import utc_now
from rag.access.audit import AuditFilter
from rag.access.policy import COMMAND_LINE, ROLES, SCOPES, Role, Scope, checked_scopes
from rag.access.room import Access
from rag.app import open_access
from rag.cli.corpus import open_database
from rag.cli.show import json_option, print_json, print_table, settings_of

password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("users")
def users() -> None:
    """People and programs that may sign in or call."""


@users.command("create-owner")
@click.argument("name")
@password_stdin
@click.pass_context
def create_owner(ctx: click.Context, name: str, password_stdin: bool) -> None:
    """Make an owner. From the first one on, every call needs a credential."""
    access = _open(ctx)
    info = access.people.create(name, "owner", COMMAND_LINE, _password(password_stdin))
    click.echo(f"Created the owner {info.name} ({info.id}). Every call needs a credential from now on.")


@users.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="member", show_default=True, help="What they may do.")
@click.option("--no-password", is_flag=True, help="They cannot sign in; for programs with keys.")
@password_stdin
@click.pass_context
def create_user(ctx: click.Context, name: str, role: Role, no_password: bool, password_stdin: bool) -> None:
    """Make a person, or with --role service a program."""
    access = _open(ctx)
    password = None if no_password or role == "service" else _password(password_stdin)
    info = access.people.create(name, role, COMMAND_LINE, password)
    click.echo(f"Created the {info.role} {info.name} ({info.id}).")


@users.command("list")
@json_option
@click.pass_context
def list_users(ctx: click.Context, as_json: bool) -> None:
    """List everyone."""
    people = _open(ctx).people.people()
    if as_json:
        print_json({"items": people})
    else:
        rows = ((p.name, p.role, "suspended" if p.suspended else "active", p.created_at, p.id) for p in people)
        print_table(("name", "role", "state", "since", "id"), rows, empty="There is no account; nobody signs in.")


@users.command("suspend")
@click.argument("name")
@click.pass_context
def suspend(ctx: click.Context, name: str) -> None:
    """End every session, hold every key and cut every running stream of a person, within 2 seconds."""
    access = _open(ctx)
    info = access.people.suspend(access.people.person(name).id, COMMAND_LINE)
    click.echo(f"Suspended {info.name}.")


@users.command("restore")
@click.argument("name")
@click.pass_context
def restore(ctx: click.Context, name: str) -> None:
    """End a suspension."""
    access = _open(ctx)
    info = access.people.restore(access.people.person(name).id, COMMAND_LINE)
    click.echo(f"Restored {info.name}.")


@users.command("password")
@click.argument("name")
@password_stdin
@click.pass_context
def password_command(ctx: click.Context, name: str, password_stdin: bool) -> None:
    """Set a new password, which ends every session of that person."""
    access = _open(ctx)
    person = access.people.person(name)
    access.people.set_password(person.id, _password(password_stdin), COMMAND_LINE)
    click.echo(f"Set the password of {person.name}.")


@click.group("keys")
def keys() -> None:
    """API keys of people and programs."""


@keys.command("create")
@click.argument("person")
@click.option("--name", default="", help="What the key is for.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, default=("ask", "read"), show_default=True)
@click.option("--days", type=click.IntRange(1), help="Days until it expires. Without it, never.")
@json_option
@click.pass_context
def create_key(
    ctx: click.Context, person: str, name: str, scopes: tuple[Scope, ...], days: int | None, as_json: bool
) -> None:
    """Make a key for a person. It is shown once."""
    expires = utc_now() + timedelta(days=days) if days else None
    made = _open(ctx).keys.create(person, name, checked_scopes(scopes), COMMAND_LINE, expires)
    if as_json:
        print_json(made)
    else:
        click.echo(made.secret)
        click.echo("Keep it now: it is not shown again.", err=True)


@keys.command("list")
@json_option
@click.pass_context
def list_keys(ctx: click.Context, as_json: bool) -> None:
    """List the keys, without their secrets."""
    found = _open(ctx).keys.keys()
    if as_json:
        print_json({"items": found})
    else:
        rows = (
            (k.id, k.person_name, k.name, " ".join(k.scopes), k.expires_at, k.last_used_at, k.revoked_at) for k in found
        )
        print_table(("id", "of", "for", "scopes", "expires", "last used", "revoked"), rows, empty="There is no key.")


@keys.command("revoke")
@click.argument("key")
@click.pass_context
def revoke_key(ctx: click.Context, key: str) -> None:
    """End a key for ever."""
    click.echo(f"Revoked {_open(ctx).keys.revoke(key, COMMAND_LINE).id}.")


@keys.command("rotate")
@click.argument("key")
@click.option("--overlap-hours", type=click.FloatRange(0), default=0.0, help="How long the secret before stays good.")
@click.pass_context
def rotate_key(ctx: click.Context, key: str, overlap_hours: float) -> None:
    """Give a key a new secret, which is shown once."""
    click.echo(_open(ctx).keys.rotate(key, COMMAND_LINE, timedelta(hours=overlap_hours)).secret)
    click.echo("Keep it now: it is not shown again.", err=True)


@click.group("audit")
def audit() -> None:
    """Who did what to which object."""


@audit.command("verify")
@click.option("--head", help="Hash that an earlier `verify` gave: its line must still be there.")
@json_option
@click.pass_context
def verify_audit(ctx: click.Context, head: str | None, as_json: bool) -> None:
    """Check that no line was changed, removed or put in. Note the head, so that a cut end is found later."""
    found = _open(ctx).audit.verify(head)
    if as_json:
        print_json(found)
    else:
        click.echo(f"The audit log is whole: {found.lines} lines, head {found.hash}.")


@audit.command("list")
@click.option("--action", help="Only actions that begin so, as `people.`.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, newest first.")
@json_option
@click.pass_context
def list_audit(ctx: click.Context, action: str | None, limit: int, as_json: bool) -> None:
    """List the newest lines."""
    lines = _open(ctx).audit.entries(AuditFilter(action=action), limit).items
    if as_json:
        print_json({"items": lines})
    else:
        rows = ((line.seq, line.at, line.actor_name, line.via, line.action, line.object) for line in lines)
        print_table(("#", "when", "who", "by", "did", "to"), rows, empty="Nothing was done yet.")


def _open(ctx: click.Context) -> Access:
    """The accounts of the data folder; closed when the command ends."""
    return open_access(settings_of(ctx), open_database(ctx))


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


COMMANDS = (users, keys, audit)
