"""New settings while running: taken over as a whole, or not at all."""

import logging

from gateway.admit import Planner
from gateway.house import House
from gateway.prices.book import read_book
from gateway.settings import BadSettings
from gateway.settings_file import reload_settings

log = logging.getLogger("weighbridge.reload")


def changed_at(house: House) -> tuple[int, int]:
    """Give when the files that settings come from were last written, in nanoseconds; 0 for one that is not there."""
    paths = (house.settings.config_file, house.settings.price_overrides)
    times = [path.stat().st_mtime_ns if path and path.exists() else 0 for path in paths]
    return times[0], times[1]


def reloaded(house: House) -> bool:
    """Take over what the files say now; keep everything as it was, with a log line, when they cannot be used (F63).

    Calls under way keep the settings they began with (F64). Blocks for some milliseconds.
    """
    try:
        settings = reload_settings(house.settings)
        book = read_book(settings.price_overrides)
    except BadSettings as error:
        house.metrics.reload_failures.inc()
        log.error("config_reload_failed", extra={"reason": str(error)})  # noqa: TRY400 - the sentence says it all
        return False
    house.settings, house.book, house.planner = settings, book, Planner(settings, book)
    house.metrics.reloads.inc()
    log.info("config_reloaded", extra={"providers": [provider.name for provider in settings.providers]})
    return True
