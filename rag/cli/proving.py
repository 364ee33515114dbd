"""`footnote verify`: do the views equal the truth, and is a deleted document gone. Proves nothing itself."""

import time
from collections.abc import Iterator, Sequence

import click
from sqlalchemy import select

from index.proof import Finding, deletion
from index.schema import Document
from rag.app import ProofParts, proof_parts
from rag.cli.show import json_option, print_json, print_table, settings_of
from rag.erasure import erase, files_with, remains
from rag.settings import Settings

_LET_GO_SECONDS = 60.0  # how long a running service may take to open the repaired views


@click.command("verify")
@click.option("--repair", is_flag=True, help="Build the views anew; with --deleted, erase what is left.")
@click.option("--deleted", metavar="DOCUMENT", help="Id of a deleted document: show that nothing holds its text.")
@click.option("--phrase", help="With --deleted: words of the document, looked for in the bytes of every file.")
@json_option
@click.pass_context
def verify(ctx: click.Context, repair: bool, deleted: str | None, phrase: str | None, as_json: bool) -> None:
    """Prove that the views equal the truth, or that a deleted document is gone.

    The exit code is 1 if something is found and not repaired. A running service takes repaired views by itself.
    """
    if phrase and not deleted:
        raise click.UsageError("--phrase goes with --deleted")
    settings = settings_of(ctx)
    parts = proof_parts(settings)
    ctx.call_on_close(parts.close)
    if deleted:
        findings = _prove_gone(parts, settings, deleted, phrase, repair)
    else:
        findings = list(_look(parts))
        if repair and not all(finding.ok for finding in findings if finding.part == "view"):
            parts.searcher.repair()
            findings = [*findings, *(_repaired(f) for f in _look(parts) if f.part == "view")]
    _print(findings, as_json)
    last = {(finding.part, finding.what): finding.ok for finding in findings}
    if not all(last.values()):
        ctx.exit(1)


def _look(parts: ProofParts) -> Iterator[Finding]:
    yield from parts.searcher.verify()
    with parts.database.read() as session:
        keys = set(session.scalars(select(Document.blob)))
    lost = sorted(key for key in keys if key and not parts.blobs.holds(key))
    yield Finding(
        "truth", "originals", not lost, f"{len(lost)} are lost, {lost[0]} first" if lost else f"{len(keys)} are stored"
    )


def _repaired(finding: Finding) -> Finding:
    return Finding(finding.part, finding.what, finding.ok, f"after the repair: {finding.detail}")


def _prove_gone(
    parts: ProofParts, settings: Settings, document: str, phrase: str | None, repair: bool
) -> Sequence[Finding]:
    findings = [*parts.searcher.traces(document)]  # raises if the document is still there, before anything is erased
    if repair:
        erase(parts.database, parts.blobs, document)
        parts.searcher.repair()
        parts.database.shrink(deletion(parts.database, document).seq)
        findings = _when_let_go(parts, document)
    findings += remains(parts.database, parts.blobs, document)
    if phrase:
        found = files_with(settings.data, phrase)
        findings.append(Finding("trace", "the phrase in any file", not found, ", ".join(found) or "nowhere"))
    return findings


def _when_let_go(parts: ProofParts, document: str) -> list[Finding]:
    """The traces once a running service has let go of its old views, or when it has had time enough."""
    patience = time.monotonic() + _LET_GO_SECONDS
    while True:
        findings = list(parts.searcher.traces(document))
        if all(finding.ok for finding in findings) or time.monotonic() > patience:
            return findings
        time.sleep(0.2)


def _print(findings: Sequence[Finding], as_json: bool) -> None:
    if as_json:
        print_json({"ok": all({(f.part, f.what): f.ok for f in findings}.values()), "findings": findings})
        return
    rows = ((("ok" if f.ok else "BAD"), f.part, f.what, f.detail) for f in findings)
    print_table(("", "part", "what", "found"), rows, empty="")


COMMANDS = (verify,)
