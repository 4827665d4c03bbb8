"""Where the gateway may listen: beyond this machine only when somebody can already administer it."""

from ipaddress import ip_address

from gateway.settings import Settings
from policies.refusal import Refusal


def bind_refusal(settings: Settings, *, has_admin_key: bool) -> Refusal | None:
    """Refuse an address other than loopback while no admin key exists (threat T64).

    Whoever reaches a fresh gateway first would otherwise be the one to set it up.
    """
    if has_admin_key or is_loopback(settings.host):
        return None
    return Refusal(
        "bind_refused",
        f"Listening on {settings.host} would open a gateway that has no admin key yet. "
        "Make one first: weighbridge key create --role admin, or start once with [server] host 127.0.0.1.",
        403,
    )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`; a name other than localhost is taken as one others reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
