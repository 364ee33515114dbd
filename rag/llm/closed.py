"""Closed and remote models by the settings: which there are, and how each is opened. Knows no file and no router.

The libraries of closed models take seconds to import, and a service without their keys must start without them.
"""

from collections.abc import Callable

from rag.llm.generator import Generator
from rag.settings import Settings


def closed_models(settings: Settings) -> dict[str, Callable[[], Generator]]:
    """Name -> how it is opened. Only those whose key and model name are set."""
    makers: dict[str, Callable[[], Generator]] = {}
    if settings.openai_api_key and settings.openai_model:
        makers[f"openai:{settings.openai_model}"] = lambda: _open_openai(settings)
    if settings.anthropic_api_key and settings.anthropic_model:
        makers[f"anthropic:{settings.anthropic_model}"] = lambda: _open_anthropic(settings)
    return makers


def context_of(name: str, settings: Settings) -> int:
    """In tokens of that model."""
    return settings.openai_context_tokens if name.startswith("openai:") else settings.anthropic_context_tokens


def _open_openai(settings: Settings) -> Generator:
    from rag.llm.openai import OpenAIGenerator
    from rag.llm.openai_responses import ResponsesGenerator

    kind = ResponsesGenerator if settings.openai_api == "responses" else OpenAIGenerator
    return kind(
        settings.openai_model,
        settings.openai_api_key,
        base_url=settings.openai_base_url,
        context_tokens=settings.openai_context_tokens,
        silence=settings.remote_timeout_seconds,
        azure_version=settings.openai_azure_version,
    )


def _open_anthropic(settings: Settings) -> Generator:
    from rag.llm.anthropic import AnthropicGenerator

    return AnthropicGenerator(
        settings.anthropic_model,
        settings.anthropic_api_key,
        base_url=settings.anthropic_base_url,
        context_tokens=settings.anthropic_context_tokens,
        silence=settings.remote_timeout_seconds,
    )
