"""`footnote check`: the verifier alone, on any text. Knows nothing of how support is judged."""

import sys
from pathlib import Path

import click

from rag.app import open_grounding
from rag.checking import check_text, weakest
from rag.cli.show import json_option, print_json, settings_of
from rag.errors import BadRequest

MOST_CHARACTERS = 200_000
_MARKS = {"supported": ("✓", "green"), "unsupported": ("✗", "red"), "unverified": ("?", "yellow")}


@click.command("check")
@click.argument("answer")
@click.option(
    "--context",
    "contexts",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Text file that the answer should rest on; `-` is standard input. May be repeated.",
)
@click.option("--question", default="", help="What was asked; helps with answers of a few words.")
@json_option
@click.pass_context
def check(ctx: click.Context, answer: str, contexts: tuple[Path, ...], question: str, as_json: bool) -> None:
    """Say of each sentence of ANSWER whether the context supports it. Exit code 1 only for errors."""
    settings = settings_of(ctx)
    texts = [_read(path) for path in contexts]
    spans = check_text(
        open_grounding(settings).verifier, answer, texts, threshold=settings.answer_support_threshold, question=question
    )
    if as_json:
        unsupported = [span for span in spans if span.verdict == "unsupported"]
        print_json({"text": answer, "support": weakest(spans), "sentences": spans, "unsupported": unsupported})
        return
    if not spans:
        raise BadRequest("the answer has no sentence to check; give a text in quotes")
    for span in spans:
        sign, colour = _MARKS[span.verdict]
        click.secho(f"{sign} {span.verdict:<11} {span.score:.2f}  ", fg=colour, nl=False)
        click.echo(" ".join(span.text.split()))


def _read(path: Path) -> str:
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadRequest(f"{path} cannot be read ({error.strerror}); name a text file") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"{path} is not UTF-8 text; convert it first") from error
    if not text.strip():
        raise BadRequest(f"{path} is empty; nothing could support the answer")
    if len(text) > MOST_CHARACTERS:
        raise BadRequest(
            f"{path} has {len(text):,} characters, but at most {MOST_CHARACTERS:,} are checked against; divide it"
        )
    return text


COMMANDS = (check,)
