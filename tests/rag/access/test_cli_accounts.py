"""`footnote users`, `keys` and `audit` as a person at the terminal meets them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rag.cli.root import main

PASSWORD = "correct horse battery\n"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root command sets up logging for the whole process; a test must not."""
    monkeypatch.setattr("rag.cli.root._set_up_logging", lambda level: None)


def call(data: Path, *words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["--data", str(data), *words], input=stdin)


def test_from_the_first_owner_to_a_verified_log(tmp_path: Path) -> None:
    assert "nobody signs in" in call(tmp_path, "users", "list").output
    made = call(tmp_path, "users", "create-owner", "Olga", "--password-stdin", stdin=PASSWORD)
    assert made.exit_code == 0, made.output
    assert "Every call needs a credential" in made.output
    assert call(tmp_path, "users", "create", "robot", "--role", "service").exit_code == 0
    secret = call(tmp_path, "keys", "create", "robot", "--name", "nightly", "--scope", "write", "--days", "7")
    assert secret.stdout.startswith("fn_")
    listed = json.loads(call(tmp_path, "keys", "list", "--json").stdout)["items"]
    assert [(key["person_name"], key["name"], key["scopes"]) for key in listed] == [("robot", "nightly", ["write"])]
    assert "secret" not in listed[0]
    assert call(tmp_path, "keys", "rotate", listed[0]["id"]).stdout.startswith("fn_")
    assert call(tmp_path, "keys", "revoke", listed[0]["id"]).exit_code == 0
    assert call(tmp_path, "users", "suspend", "robot").exit_code == 0
    people = json.loads(call(tmp_path, "users", "list", "--json").stdout)["items"]
    assert [(person["name"], person["role"], person["suspended"]) for person in people] == [
        ("olga", "owner", False),
        ("robot", "service", True),
    ]
    assert call(tmp_path, "users", "restore", "robot").exit_code == 0
    assert call(tmp_path, "users", "password", "olga", "--password-stdin", stdin=PASSWORD).exit_code == 0
    assert json.loads(call(tmp_path, "audit", "verify", "--json").stdout)["lines"] == 8
    actions = [line["action"] for line in json.loads(call(tmp_path, "audit", "list", "--json").stdout)["items"]]
    assert actions[0] == "people.password"
    assert actions[-1] == "people.create"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("users", "suspend", "nobody"), "there is no person 'nobody'"),
        (("keys", "create", "nobody"), "there is no person 'nobody'"),
        (("keys", "revoke", "none"), "there is no key 'none'"),
        (("users", "create-owner", "olga", "--password-stdin"), "the password has 5 characters"),
        (("audit", "verify", "--head", "abc"), "its end was cut off"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = call(tmp_path, *words, stdin="short\n")
    assert done.exit_code == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
