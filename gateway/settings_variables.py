"""Variables of the environment that are likely not meant as they are."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from gateway.settings_file import LOCAL_MODEL, VARIABLES, WELL_KNOWN

PREFIX = "WEIGHBRIDGE_"
OTHERS = ("WEIGHBRIDGE_CONFIG", "WEIGHBRIDGE_KEY", "WEIGHBRIDGE_URL", LOCAL_MODEL)
"""Variables that are read elsewhere: which file, what a client uses, and what `up` says to its children."""


def odd_variables(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Give a sentence for each variable that is likely not meant as it is."""
    environ = os.environ if environ is None else environ
    known = {*VARIABLES, *OTHERS}
    odd = [
        f"{name} is no variable of Weighbridge, so it sets nothing{_nearest(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
    for name, _, _ in WELL_KNOWN.values():
        if environ.get(name, "").startswith(("wb_", "wba_")):
            odd.append(
                f"{name} holds a Weighbridge key, as clients need it; a gateway started in this shell needs the "
                "provider's own key there."
            )
    return tuple(odd)


def _nearest(name: str, known: set[str]) -> str:
    words = {one.removeprefix(PREFIX): one for one in known}
    close = get_close_matches(name.removeprefix(PREFIX), words, n=1, cutoff=0.6)
    return f"; did you mean {words[close[0]]}?" if close else "."
