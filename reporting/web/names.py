"""What teams, initiatives and applications are called, and what a reader should know of one."""

from gateway.registry import Registry
from reporting.web import words


class Names:
    """Reads names from the registry; what is not in it is shown as it was said, and marked."""

    def __init__(self, registry: Registry) -> None:
        """Keep the registry; it is read anew for each page."""
        self._registry = registry

    def of(self, dimension: str, value: str | None) -> str:
        """Give the name of a group."""
        return self._title(dimension, value) or words.named(dimension, value)

    def id_of(self, dimension: str, value: str | None) -> str:
        """Give the id to show beside an initiative's title; empty where there is no title, or no need."""
        return (value or "") if dimension == "initiative" and self._title(dimension, value) else ""

    def note(self, dimension: str, value: str | None) -> str:
        """Say of an initiative that it is closed or that nobody knows it; empty when there is nothing to say."""
        if dimension != "initiative" or value is None:
            return ""
        known = self._registry.initiatives.get(value)
        if known is None:
            return "not on the list"
        return "closed" if known.status == "closed" else ""

    def _title(self, dimension: str, value: str | None) -> str:
        if value is None:
            return ""
        match dimension:
            case "team":
                team = self._registry.teams.get(value)
                return team.name if team else ""
            case "initiative":
                initiative = self._registry.initiatives.get(value)
                return initiative.title if initiative else ""
            case "application":
                application = self._registry.applications.get(value)
                return application.name if application else ""
            case _:
                return ""
