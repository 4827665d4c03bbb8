"""How sources and people spell providers and models, in tables: nothing is guessed from likeness."""

import re
from collections.abc import Mapping
from datetime import date

ALIASES: Mapping[str, str] = {
    "google": "gemini",
    "gcp.gemini": "gemini",
    "vertex_ai": "vertex",
    "gcp.vertex_ai": "vertex",
    "aws": "bedrock",
    "aws.bedrock": "bedrock",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure_ai",
    "x-ai": "xai",
    "x_ai": "xai",
    "mistral_ai": "mistral",
    "moonshotai": "moonshot",
    "voyageai": "voyage",
    "github-copilot": "github_copilot",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
    "vercel_ai_gateway": "vercel",
    "ibm.watsonx.ai": "watsonx",
}
"""Other spellings of providers: OpenTelemetry's (gen_ai.provider.name), litellm's and genai-prices'."""

_LITELLM: Mapping[str, str] = {
    **ALIASES,
    "text-completion-openai": "openai",
    "azure_text": "azure",
    "bedrock_converse": "bedrock",
    "fireworks_ai-embedding-models": "fireworks",
    "cohere_chat": "cohere",
    "text-completion-codestral": "codestral",
    "text-completion-inception": "inception",
}
"""litellm splits some providers by dialect or kind of model."""

_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "amazon_nova": ("amazon-nova/",),
    "azure": ("azure/",),
    "bedrock": ("bedrock/",),
    "codestral": ("codestral/", "text-completion-codestral/"),
    "cohere": ("cohere/",),
    "fireworks": ("fireworks_ai/",),
    "inception": ("inception/", "text-completion-inception/"),
    "together": ("together_ai/",),
    "vercel": ("vercel_ai_gateway/",),
    "vertex": ("vertex_ai/",),
}
"""What litellm puts before a model's name where it is not "PROVIDER/"."""

_DATED = re.compile(r"(.+?)(?:-([0-9]{4})-([0-9]{2})-([0-9]{2})|[-@]([0-9]{4})([0-9]{2})([0-9]{2}))")


def provider_of(name: str) -> str:
    """Give the price book's name of a provider."""
    return ALIASES.get(name, name)


def from_litellm(litellm_provider: str, key: str) -> tuple[str, str]:
    """Give provider and model of an entry of litellm's map; the model is as the provider spells it."""
    provider_name = "vertex" if litellm_provider.startswith("vertex_ai") else litellm_provider
    provider_name = _LITELLM.get(provider_name, provider_name)
    for prefix in _PREFIXES.get(provider_name, (f"{provider_name}/",)):
        if key.startswith(prefix):
            return provider_name, key.removeprefix(prefix)
    return provider_name, key


def untuned(model: str) -> str | None:
    """Give the listed name behind a fine-tuned model's, "ft:BASE" of "ft:BASE:OWNER:NAME:ID"; None for any other.

    OpenAI makes such names (their form: docs.litellm.ai/docs/tutorials/finetuned_chat_gpt, read 2026-11-25), and
    both sources list one price for all that were tuned from one base.
    """
    kind, _, rest = model.partition(":")
    named, separator, _ = rest.partition(":")
    return f"ft:{named}" if kind == "ft" and named and separator else None


def undated(model: str) -> str | None:
    """Give a model's name without the date at its end; None where it does not end with a day of the calendar."""
    parts = _DATED.fullmatch(model)
    if parts is None:
        return None
    name, *numbers = parts.groups()
    year, month, day = (int(number) for number in numbers if number)
    try:
        date(year, month, day)
    except ValueError:
        return None
    return str(name)
