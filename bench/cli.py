"""`footnote bench ...`: measurements against named references. Knows where each command lives; loads it when called."""

import importlib

import click

# Name -> module and attribute. A measurement brings its command itself; heavy imports wait until it is called.
_COMMANDS = {
    "ingest": "bench.ingest:ingest_command",
    "cases": "bench.cases:cases_command",
    "search": "bench.search:search_command",
    "hybrid": "bench.hybrid_command:hybrid_command",
    "generate": "bench.generate:generate_command",
    "serve": "bench.serve:serve_command",
}


class BenchGroup(click.Group):
    """Finds commands by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group("bench", cls=BenchGroup)
def bench_group() -> None:
    """Measure speed against named references in the same run; figures go to bench/results."""
