"""What can go wrong on the hot path, named for what happened; ingress alone turns these into HTTP."""

from policies.refusal import Refusal as Refusal


class Refused(Exception):
    """The gateway does not answer with what was asked; the refusal says why and what to do.

    `request_id` names the call when one was admitted, and so is in the book; without it nothing was sent
    anywhere and nothing was spent.
    """

    def __init__(self, refusal: Refusal, request_id: str | None = None) -> None:
        """Keep the refusal; its text is the exception's."""
        super().__init__(refusal.message)
        self.refusal = refusal
        self.request_id = request_id


class BadBody(Exception):
    """The request body cannot be read in one way only; the text says what and where."""


class ClientGone(Exception):
    """The client has left; nobody is there to answer."""


class JournalFull(Exception):
    """The journal has no room for one more admitted request and its terminal record."""


class UpstreamFailed(Exception):
    """An upstream attempt ended without a usable answer.

    `reason` is from a closed set: unreachable, connect_timeout, tls, head_timeout, idle_timeout, reset,
    protocol, too_large, pool_exhausted, egress_refused. `sent` says whether any byte of the request
    may have reached the provider, that is, whether it may bill.
    """

    def __init__(self, reason: str, message: str, *, sent: bool) -> None:
        """Keep the reason and whether the provider may have seen the request."""
        super().__init__(message)
        self.reason = reason
        self.sent = sent
