"""Gemini's usageMetadata as Usage.

The prompt includes what came from the cache; results of tools and thoughts are counted beside prompt and answer.
Source: ai.google.dev/api/generate-content#UsageMetadata and cloud.google.com/vertex-ai/generative-ai/docs/
reference/rest/v1/GenerateContentResponse (trafficType), read 2026-11-23.
"""

from collections.abc import Mapping

from gateway.providers.counts import Claimed, Counts, Weighed

TIERS: Mapping[str, str] = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "provisioned",
}


def usage_of(counts: Counts | None, *, searches: int = 0) -> Weighed:
    """Give usage; None when the provider has not said."""
    if counts is None:
        return Weighed(None)
    given = counts.known("promptTokenCount")
    made = counts.known("candidatesTokenCount")
    thought = counts.known("thoughtsTokenCount")
    if counts.faults or (given is None and made is None and thought is None):
        return Weighed(None, implausible=bool(counts.faults))
    cached = _modalities(counts, "cacheTokensDetails")
    prompt = _modalities(counts, "promptTokensDetails")
    tools = _modalities(counts, "toolUsePromptTokensDetails")
    answer = _modalities(counts, "candidatesTokensDetails")
    claimed = Claimed(
        input_tokens=(given or 0) + counts.count("toolUsePromptTokenCount"),
        output_tokens=(made or 0) + (thought or 0),
        cache_read_input_tokens=counts.count("cachedContentTokenCount"),
        reasoning_output_tokens=thought or 0,
        input_audio_tokens=prompt.get("AUDIO", 0) + tools.get("AUDIO", 0),
        cache_read_audio_tokens=cached.get("AUDIO", 0),
        output_audio_tokens=answer.get("AUDIO", 0),
        # A cached picture is priced as cached input.
        input_image_tokens=max(prompt.get("IMAGE", 0) + tools.get("IMAGE", 0) - cached.get("IMAGE", 0), 0),
        output_image_tokens=answer.get("IMAGE", 0),
        web_search_requests=searches,
    )
    return claimed.weighed(counts.faults)


def tier_of(counts: Counts | None) -> str | None:
    """Give the tier the answer was served on, if it says."""
    if counts is None:
        return None
    traffic = counts.text("trafficType")
    tier = counts.text("serviceTier")
    return TIERS.get(traffic) if traffic is not None else tier.lower() if tier is not None else None


def _modalities(counts: Counts, name: str) -> dict[str, int]:
    """Give tokens by modality."""
    found: dict[str, int] = {}
    for detail in counts.listed(name):
        modality = detail.text("modality") or ""
        found[modality] = found.get(modality, 0) + detail.count("tokenCount")
    return found
