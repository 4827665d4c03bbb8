"""OpenAI's counts, and those of the many servers that speak like it, as Usage.

Fields: the API reference's CompletionUsage and ResponseUsage (platform.openai.com/docs/api-reference, and the
types of the official Python library, read 2026-11-23). Both count cached and reasoning tokens inside their wholes.
Others: DeepSeek `prompt_cache_hit_tokens`, Moonshot `cached_tokens`, xAI reasoning on top of the completion
(the providers' API references, read 2026-11-23).
"""

from gateway.providers.counts import Claimed, Counts, Weighed


def usage_of(counts: Counts | None, *, searches: int = 0) -> Weighed:
    """Give usage in either shape (chat or responses); None when the provider has not said both sides."""
    if counts is None:
        return Weighed(None)
    given = counts.known("prompt_tokens", "input_tokens")
    made = counts.known("completion_tokens", "output_tokens")
    if counts.faults or (given is None and made is None):
        return Weighed(None, implausible=bool(counts.faults))
    inside = counts.inside("prompt_tokens_details" if "prompt_tokens_details" in counts else "input_tokens_details")
    outside = counts.inside(
        "completion_tokens_details" if "completion_tokens_details" in counts else "output_tokens_details"
    )
    cached = inside.inside("cached_tokens_details")
    cached_tokens = inside.known("cached_tokens")
    reasoning = outside.count("reasoning_tokens")
    claimed = Claimed(
        input_tokens=given or 0,
        output_tokens=(made or 0) + _on_top(counts, given or 0, made or 0, reasoning),
        cache_read_input_tokens=counts.count("prompt_cache_hit_tokens", "cached_tokens")
        if cached_tokens is None
        else cached_tokens,
        cache_creation_input_tokens=inside.count("cache_write_tokens"),
        cache_creation_12h_input_tokens=inside.inside("cache_write_tokens_details").count("ttl_12h_tokens"),
        reasoning_output_tokens=reasoning,
        input_audio_tokens=inside.count("audio_tokens"),
        cache_read_audio_tokens=cached.count("audio_tokens"),
        output_audio_tokens=outside.count("audio_tokens"),
        # A cached picture is priced as cached input.
        input_image_tokens=max(inside.count("image_tokens") - cached.count("image_tokens"), 0),
        output_image_tokens=outside.count("image_tokens"),
        web_search_requests=searches or counts.inside("server_tool_use").count("web_search_requests"),
    )
    return claimed.weighed(counts.faults)


def _on_top(counts: Counts, given: int, made: int, reasoning: int) -> int:
    """Give the reasoning tokens that are not part of the completion: the total gives them away."""
    return reasoning if reasoning and counts.known("total_tokens") == given + made + reasoning else 0
