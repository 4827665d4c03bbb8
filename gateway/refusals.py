"""What a client is told when the gateway or its provider cannot answer: code, sentence with what to do, status."""

from gateway.crossing import Destination
from gateway.errors import UpstreamFailed
from policies.refusal import Refusal

RETRY_AFTER_S = 1


def overloaded() -> Refusal:
    """Too much is under way, or the process is about to stop: another moment, or another process, will do."""
    return Refusal("overloaded", "The gateway has too much under way. Try again in a second.", 503, RETRY_AFTER_S)


def journal_full() -> Refusal:
    """Nothing is sent that could not be booked; why stands in the log and in /readyz, for it names places inside."""
    text = "This call could not be recorded, so it was not sent and cost nothing. An operator must act: see /readyz."
    return Refusal("ledger_full", text, 503, 30)


_FAILURES: dict[str, tuple[int, str, str]] = {
    "unreachable": (502, "upstream_unreachable", "could not be reached"),
    "connect_timeout": (502, "upstream_unreachable", "could not be reached in time"),
    "tls": (502, "upstream_unreachable", "could not be reached safely: its certificate or TLS was not accepted"),
    "egress_refused": (502, "upstream_refused", "may not be called by the rules for outgoing connections"),
    "pool_exhausted": (503, "pool_exhausted", "has all its connections in use"),
    "head_timeout": (504, "upstream_timeout", "did not answer in time; the call may still be billed and is booked"),
    "idle_timeout": (504, "upstream_timeout", "stopped in the middle of its answer; what came is booked"),
    "reset": (502, "upstream_reset", "broke the connection; the call may be billed and is booked as uncertain"),
    "protocol": (502, "upstream_protocol", "sent something that is not HTTP as it must be"),
    "too_large": (502, "upstream_too_large", "sent more than the gateway takes"),
    "truncated": (502, "upstream_cut", "ended its answer before it was whole; what came is booked"),
    "malformed": (502, "upstream_malformed", "sent an answer that cannot be read"),
    "gateway_stopping": (503, "gateway_stopping", "was answering when the gateway had to stop; what came is booked"),
}


def upstream_failed(failed: UpstreamFailed, destination: Destination) -> Refusal:
    """Say which provider failed and how; the library's own words stay in the log."""
    status, code, text = _FAILURES.get(failed.reason, (502, "upstream_failed", "failed"))
    retry_after_s = RETRY_AFTER_S if status == 503 else None
    return Refusal(code, f"The provider {destination.provider.name} {text}.", status, retry_after_s)


def upstream_auth(destination: Destination, status: int) -> Refusal:
    """The gateway's own key was refused: the client's key is not at fault, so it is no 401 of theirs (F02)."""
    return Refusal(
        "upstream_auth",
        f"The provider {destination.provider.name} refused the gateway's key (status {status}). "
        "An operator must check that provider's api_key; your own key is fine.",
        502,
    )


def bad_redirect(destination: Destination) -> Refusal:
    """A redirect is never followed: it could lead anywhere (T05)."""
    text = f"The provider {destination.provider.name} answered with a redirect, which is not followed."
    return Refusal("upstream_redirect", text, 502)


def bad_content_type(destination: Destination, status: int) -> Refusal:
    """The answer is no JSON and no event stream: some proxy's page, which is not passed on (F24)."""
    return Refusal(
        "upstream_content_type",
        f"The provider {destination.provider.name} answered {status} with something that is not JSON. "
        "Its base_url may point to a web page or a proxy.",
        status if status >= 400 else 502,
    )
