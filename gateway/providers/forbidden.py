"""Field names no client may set: where a request goes, whose key it carries, what it costs."""

from collections.abc import Iterable

from gateway.errors import BadBody

DESTINATION = (
    "api_base", "base_url", "base_model", "api_base_url", "endpoint", "api_endpoint", "azure_endpoint",
    "azure_deployment", "deployment_id", "organization_url", "proxy", "proxies", "proxy_url", "http_client",
    "custom_llm_provider", "llm_provider", "fallbacks", "models", "route", "context_window_fallback_dict", "model_list",
    "aws_bedrock_runtime_endpoint", "aws_sts_endpoint", "aws_region_name", "vertex_project", "vertex_location",
    "watsonx_url", "host", "extra_headers", "extra_query", "extra_body", "headers", "default_headers",
)  # fmt: skip
"""Where a request would go, and what else would travel with it."""

CREDENTIAL = (
    "api_key", "api_keys", "apikey", "x_api_key", "authorization", "azure_ad_token", "azure_ad_token_provider",
    "client_secret", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_profile_name",
    "aws_role_name", "aws_web_identity_token", "vertex_credentials", "google_application_credentials", "hf_token",
    "oci_key", "litellm_credential_name",
)  # fmt: skip
"""Whose account a request would be billed to."""

COST = (
    "input_cost_per_token", "output_cost_per_token", "input_cost_per_second", "output_cost_per_second",
    "input_cost_per_character", "output_cost_per_character", "input_cost_per_audio_token",
    "output_cost_per_audio_token", "output_cost_per_reasoning_token", "cache_read_input_token_cost",
    "cache_creation_input_token_cost", "input_cost_per_image", "output_cost_per_image", "input_cost_per_query",
    "custom_pricing", "model_info", "response_cost", "max_budget", "budget_duration", "spend", "no_log",
    "mock_response", "mock_tool_calls", "mock_timeout", "mock_testing_fallbacks",
)  # fmt: skip
"""What a request would cost, or whether it would be made at all."""

FORBIDDEN = frozenset((*DESTINATION, *CREDENTIAL, *COST))
"""Names that other gateways were steered by; none is a field of a provider served here."""


def refuse_forbidden(names: Iterable[str], read: frozenset[str], plain: frozenset[str]) -> None:
    """Refuse fields that steer a gateway, and spellings of fields in `read` that some parsers take for them.

    `plain` are names known to be harmless, passed over without a closer look. Parsers that ignore case
    take `Model` for `model`, so only the exact spelling of what policy reads may be there.
    """
    for name in names:
        if name in plain:
            continue
        squeezed = _squeeze(name)
        if squeezed in _SQUEEZED:
            raise BadBody(f"field {name!a} is not taken from clients")
        if name not in read and any(squeezed == _squeeze(known) for known in read):
            raise BadBody(f"field {name!a} is spelled in a way that providers read differently")


def _squeeze(name: str) -> str:
    """Give a name as a parser that ignores case and underscores would compare it."""
    return name.lower().replace("_", "").replace("-", "")


_SQUEEZED = frozenset(map(_squeeze, FORBIDDEN))
