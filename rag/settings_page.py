"""The settings as a table and as the page `docs/settings.md`. Reads no value."""

from dataclasses import fields
from typing import get_type_hints

from rag.settings import Settings, environment_name, setting_name


def settings_table() -> list[tuple[str, str, str, str, str]]:
    """(name, environment name, type, default, help) per setting, in order."""
    hints, defaults = get_type_hints(Settings), Settings()
    rows = []
    for item in fields(Settings):
        default = getattr(defaults, item.name)
        choices = item.metadata["choices"]
        kind = " \\| ".join(choices) if choices else getattr(hints[item.name], "__name__", str(hints[item.name]))
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
        rows.append((setting_name(item.name), environment_name(item.name), kind, shown, item.metadata["help"]))
    return rows


def settings_page() -> str:
    """`docs/settings.md`, whole."""
    lines = [
        "# Settings",
        "",
        "Generated from `rag/settings.py` by `footnote settings --markdown`; a test keeps them equal.",
        "",
        "Precedence: command line, environment, `footnote.toml` in the data folder, default.",
        "",
        "| setting | environment | type | default | meaning |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| `{n}` | `{e}` | {t} | {f'`{d}`' if d else '(empty)'} | {h} |" for n, e, t, d, h in settings_table()]
    return "\n".join(lines) + "\n"
