"""`footnote ask` and `footnote search`: questions in the terminal. Knows nothing of how an answer is made."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import click

from index.catalog import Catalog
from index.errors import BadFilter
from index.filters import Filters, parse_filters
from index.passage import Dropped, Passage, SearchMode
from rag.answer import Ask
from rag.app import App, build_app, open_access
from rag.cli.corpus import open_database
from rag.cli.show import json_option, messages, print_json, print_table, settings_of
from rag.course import Mode
from rag.errors import BadRequest
from rag.events import (
    AnswerUsage,
    Citation,
    Delta,
    Done,
    Notice,
    Replace,
    Source,
    Sources,
    Started,
    Verdict,
    Waiting,
)
from rag.processors import BATCH_NICE, step_back
from rag.quota import check_quota


@dataclass
class Collected:
    """An answer as it stands after the events so far."""

    text: str = ""
    started: Started | None = None
    sources: tuple[Source, ...] = ()
    notices: list[Notice] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    usage: AnswerUsage | None = None
    done: Done | None = None
    shown_to: int = 0

    def settled(self, verdict: Verdict) -> str:
        """The text up to the end of this sentence that was not shown before, with its footnote marks."""
        piece = self.text[self.shown_to : verdict.end]
        numbers = dict.fromkeys(
            span.n for found in self.citations if found.end == verdict.end for span in found.sources
        )
        marks = "".join(f"[{n}]" for n in numbers)
        note = " (unsupported)" if verdict.verdict == "unsupported" else ""
        self.shown_to = verdict.end
        return piece + (f" {marks}" if marks else "") + note

    def rest(self) -> str:
        """What no verdict was passed on."""
        piece = self.text[self.shown_to :]
        self.shown_to = len(self.text)
        return piece


@dataclass(frozen=True, slots=True)
class Named:
    """Ids behind the names that a command was given. `person` is empty for nobody."""

    collections: tuple[str, ...]
    person: str = ""


def named(ctx: click.Context, collections: Sequence[str], person: str | None = None) -> Named:
    """Looked up before any model is opened: a slip costs no wait. Raises NoSuchCollection, NoSuchPerson."""
    database = open_database(ctx)
    catalog = Catalog(database)
    ids = tuple(catalog.collection(name).id for name in collections)
    return Named(ids, "" if person is None else open_access(settings_of(ctx), database).people.person(person).id)


def open_app(ctx: click.Context) -> App:
    """Everything that answering needs, closed when the command ends."""
    app = build_app(settings_of(ctx))
    ctx.call_on_close(app.close)
    app.searcher.refresh()
    return app


@click.command("ask")
@click.argument("question", required=False)
@click.option("--collection", "-c", "collections", multiple=True, required=True, help="Name or id; may be repeated.")
@click.option("--model", help="Model that answers. Default: setting model.default.")
@click.option("--mode", type=click.Choice(["auto", "quote", "search"]), default="auto", show_default=True)
@click.option("--conversation", help="Continue this conversation.")
@click.option(
    "--batch",
    type=(click.Path(path_type=Path, exists=True, dir_okay=False), click.Path(path_type=Path, dir_okay=False)),
    metavar="IN.jsonl OUT.jsonl",
    help="Answer a file of questions, one JSON object per line. Run again, it goes on where it ended.",
)
@click.option("--person", help="Whose answers these are (name or id): they count into this person's budgets.")
@json_option
@click.pass_context
def ask(
    ctx: click.Context,
    question: str | None,
    collections: tuple[str, ...],
    model: str | None,
    mode: str,
    conversation: str | None,
    batch: tuple[Path, Path] | None,
    person: str | None,
    as_json: bool,
) -> None:
    """Answer a question from the documents of a collection, with footnotes."""
    if (question is None) == (batch is None):
        raise BadRequest("give either a question or --batch IN.jsonl OUT.jsonl")
    if batch is not None:
        _ask_batch(ctx, batch, Ask("", collections, model=model, mode=cast("Mode", mode)), person, as_json)
        return
    assert question is not None
    chosen = named(ctx, collections, person)
    app = open_app(ctx)
    payer = Payer(app, chosen.person)
    payer.check()
    request = Ask(
        question=question,
        collections=chosen.collections,
        conversation=conversation,
        model=model,
        mode=cast("Mode", mode),
        tenant=payer.id,
    )
    answer = asyncio.run(follow(app, request, quiet=as_json))
    if as_json:
        print_json(answer_json(answer))
    else:
        _print_footnotes(answer)


class Payer:
    """Whose budgets answers count into, by id; with an empty one nobody's."""

    def __init__(self, app: App, person: str) -> None:
        self._app = app
        self.id = person
        self.running = 0

    def check(self) -> None:
        """Blocking. Raises TooMany."""
        if self.id:
            check_quota(self._app.settings, self._app.usage, self.id, None, (self.running, 0))


def _ask_batch(ctx: click.Context, batch: tuple[Path, Path], ask: Ask, person: str | None, as_json: bool) -> None:
    from rag.cli.batching import answer_batch, read_questions

    questions = read_questions(batch[0])
    chosen = named(ctx, ask.collections, person)
    step_back(BATCH_NICE)  # whoever asks the server meanwhile goes first
    app = open_app(ctx)
    payer = Payer(app, chosen.person)

    async def answered(request: Ask) -> dict[str, Any]:
        payer.check()  # on the loop: nobody else is served here, and none may pass beside another
        payer.running += 1
        try:
            return answer_json(await follow(app, request, quiet=True))
        finally:
            payer.running -= 1

    template = replace(ask, collections=chosen.collections, tenant=payer.id)
    at_once = max(2, app.settings.model_sequences)
    told = asyncio.run(answer_batch(questions, batch[1], template, answered, at_once=at_once))
    if as_json:
        print_json(told)
    else:
        click.echo(
            f"{told['answered']} answered, {told['failed']} failed, {told['before']} were answered before: {batch[1]}"
        )
    if told["failed"]:
        ctx.exit(1)


async def follow(app: App, request: Ask, quiet: bool) -> Collected:
    """Collect an answer's events; unless quiet, print each sentence with its footnotes once they are certain."""
    answer = Collected()
    async for event in app.answerer.answer(request):
        match event:
            case Waiting(position=position, eta_seconds=eta):
                if not quiet and position:
                    messages.print(f"[dim]Waiting at place {position}, about {eta:.0f} s[/dim]")
            case Started():
                answer.started = event
            case Sources(sources=sources):
                answer.sources = sources
            case Notice(kind=kind, text=text):
                answer.notices.append(event)
                if not quiet and kind != "clarify":  # an answer that asks back says it itself
                    click.secho(text, bold=True)
            case Delta(text=text):
                answer.text += text
            case Citation():
                answer.citations.append(event)
            case Verdict():
                answer.verdicts.append(event)
                if not quiet:
                    click.echo(answer.settled(event), nl=False)
            case Replace(text=text, reason=reason):
                if not quiet and answer.shown_to:
                    messages.print(f"\n[dim]Withdrawn: {reason}.[/dim]")
                answer.text, answer.citations, answer.verdicts, answer.shown_to = text, [], [], 0
            case AnswerUsage():
                answer.usage = event
            case Done():
                answer.done = event
    return answer


def answer_json(answer: Collected) -> dict[str, Any]:
    """A finished answer as one object."""
    assert answer.started is not None
    assert answer.done is not None
    return {
        "answer": answer.done.answer,
        "conversation": answer.started.conversation,
        "question": answer.started.question,
        "status": answer.done.status,
        "text": answer.text,
        "sources": answer.sources,
        "notices": answer.notices,
        "citations": answer.citations,
        "verdicts": answer.verdicts,
        "usage": answer.usage,
        "confidence": answer.done.confidence,
        "trace": answer.done.trace,
        "model": answer.started.model,
    }


def _print_footnotes(answer: Collected) -> None:
    """What is left of the text, then the passages it points at."""
    click.echo(answer.rest() + "\n")
    cited = {span.n for citation in answer.citations for span in citation.sources}
    shown = [source for source in answer.sources if source.n in cited]
    if not shown and answer.sources:
        messages.print("[dim]The nearest passages:[/dim]")
        shown = list(answer.sources[:3])
    for source in shown:
        page = f", page {source.page}" if source.page else f", line {source.line}" if source.line else ""
        page += ", recognised text" if source.recognised else ""
        heading = f" ({source.heading})" if source.heading else ""
        click.secho(f"[{source.n}] {source.title}{page}{heading}", bold=True)
        for quote in _quotes(answer.citations, source) or [source.text[:300]]:
            click.echo(f"    {' '.join(quote.split())}")
    assert answer.done is not None
    assert answer.started is not None
    messages.print(
        f"[dim]{answer.done.status}, confidence {answer.done.confidence:.2f}, model {answer.started.model}, "
        f"conversation {answer.started.conversation}[/dim]"
    )


def _quotes(citations: Sequence[Citation], source: Source) -> list[str]:
    spans = {(s.start, s.end) for citation in citations for s in citation.sources if s.n == source.n}
    return [source.text[start - source.start : end - source.start] for start, end in sorted(spans)]


@click.command("search")
@click.argument("query")
@click.option("--collection", "-c", "collections", multiple=True, required=True, help="Name or id; may be repeated.")
@click.option("-k", "count", default=10, show_default=True, type=click.IntRange(1, 1000), help="Passages to show.")
@click.option("--mode", type=click.Choice(["hybrid", "dense", "lexical"]), default="hybrid", show_default=True)
@click.option("--filter", "filters", help='Conditions on documents as JSON, such as \'{"year": {"gte": 2024}}\'.')
@click.option("--per-document", type=click.IntRange(min=1), help="Most passages of one document.")
@click.option("--plain", is_flag=True, help="Read quotes, minus signs and title: as words of the question.")
@click.option("--dropped", "with_dropped", is_flag=True, help="Show what was found and not returned, and why.")
@json_option
@click.pass_context
def search(
    ctx: click.Context,
    query: str,
    collections: tuple[str, ...],
    count: int,
    mode: SearchMode,
    filters: str | None,
    per_document: int | None,
    plain: bool,
    with_dropped: bool,
    as_json: bool,
) -> None:
    """Show the passages nearest to a question, with the scores of each stage.

    "quoted phrases" must be there, -excluded words must not, and title:beginnings must begin a word of the title.
    """
    narrowed = _read_filters(filters)
    chosen = named(ctx, collections)
    result = open_app(ctx).searcher.search(
        query,
        collections=chosen.collections,
        k=count,
        filters=narrowed,
        mode=mode,
        per_document=per_document,
        operators=not plain,
    )
    if as_json:
        print_json(result)
        return
    print_table(
        ("score", "stages", "document", "page", "passage"),
        ((f"{p.score:.4f}", _stages(p), p.name, p.page, " ".join(p.text.split())[:110]) for p in result.passages),
        empty="Nothing found.",
    )
    for phrase in result.relaxed:
        messages.print(f'No passage holds the phrase "{phrase}"; its words were looked for instead.')
    if with_dropped:
        rows = ((f"{d.score:.4f}", _stages(d), d.chunk, d.reason) for d in result.dropped)
        print_table(("score", "stages", "chunk", "not returned because"), rows, empty="Nothing was dropped.")


def _read_filters(raw: str | None) -> Filters:
    try:
        return parse_filters(None if raw is None else json.loads(raw))
    except json.JSONDecodeError as error:
        raise BadFilter(f'the filter is not JSON ({error}); use for example \'{{"year": {{"gte": 2024}}}}\'') from error


def _stages(found: Passage | Dropped) -> str:
    return " ".join(f"{name}={value:.3g}" for name, value in found.stages.items())


COMMANDS = (ask, search)
