"""Anthropic's counts as Usage.

`input_tokens` excludes what was read from and written to the cache, and counts are cumulative from event to event.
Compaction is not in the top-level counts, nor is an advisor's work: both stand in `iterations` alone.
Source: platform.claude.com/docs/en/api/messages and /build-with-claude/{prompt-caching,compaction-threshold},
and the types of the official Python library (beta_usage.py), read 2026-11-23.
"""

from dataclasses import dataclass

from msgspec.structs import fields, replace

from gateway.providers.counts import Claimed, Counts, Weighed
from policies.usage import Usage

ALONE = ("compaction", "advisor_message")
"""Kinds of iterations that the top-level counts leave out."""


@dataclass(frozen=True, slots=True)
class MessageUsage:
    """Usage of the model that answered, and of others that worked inside the same answer."""

    main: Weighed
    further: tuple[tuple[str, Usage], ...] = ()


def usage_of(counts: Counts | None, model: str | None) -> MessageUsage:
    """Give everything an answer used; the main usage is None when the provider has not said."""
    if counts is None:
        return MessageUsage(Weighed(None))
    if counts.known("input_tokens", "output_tokens") is None or counts.faults:
        return MessageUsage(Weighed(None, implausible=bool(counts.faults)))
    main = _side(counts)
    others: dict[str, Claimed] = {}
    for iteration in counts.listed("iterations"):
        if iteration.text("type") not in ALONE:
            continue
        by = iteration.text("model") or model
        if by is None or by == model:
            main = _sum(main, _side(iteration))
        else:
            others[by] = _sum(others.get(by, Claimed()), _side(iteration))
    further = [(by, claimed.weighed(counts.faults)) for by, claimed in others.items()]
    weighed = main.weighed(counts.faults)
    implausible = weighed.implausible or any(one.implausible for _, one in further)
    known = tuple((by, one.usage) for by, one in further if one.usage is not None)
    return MessageUsage(replace(weighed, implausible=implausible), known)


def _side(counts: Counts) -> Claimed:
    """Read one set of counts; the parts of the input are summed to its whole."""
    read = counts.count("cache_read_input_tokens")
    by_lifetime = counts.inside("cache_creation")
    written_1h = by_lifetime.count("ephemeral_1h_input_tokens")
    written = max(
        counts.count("cache_creation_input_tokens"), written_1h + by_lifetime.count("ephemeral_5m_input_tokens")
    )
    return Claimed(
        input_tokens=counts.count("input_tokens") + read + written,
        output_tokens=counts.count("output_tokens"),
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        cache_creation_1h_input_tokens=written_1h,
        reasoning_output_tokens=counts.inside("output_tokens_details").count("thinking_tokens", "reasoning_tokens"),
        # Fetching a page is free; only its tokens are billed.
        web_search_requests=counts.inside("server_tool_use").count("web_search_requests"),
    )


def _sum(one: Claimed, other: Claimed) -> Claimed:
    """Add two claims."""
    return Claimed(**{field.name: getattr(one, field.name) + getattr(other, field.name) for field in fields(Claimed)})
