"""The made-up company: its teams, its work, what runs there and how often it calls. Nothing in it is real."""

from dataclasses import dataclass

from gateway.providers.provider import DialectName, Operation
from gateway.records import InitiativeKind

DAYS = 90


@dataclass(frozen=True, slots=True)
class Team:
    """A team and who pays for it."""

    id: str
    name: str
    cost_centre: str


@dataclass(frozen=True, slots=True)
class Funded:
    """A piece of work; `closed_days_ago` where it has ended."""

    id: str
    title: str
    team: str
    funding: str
    owner_role: str
    kind: InitiativeKind = "epic"
    opened_days_ago: int = 120
    closed_days_ago: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model, where it is served, and how it is spoken to."""

    provider_name: str
    name: str
    dialect: DialectName
    operation: Operation


@dataclass(frozen=True, slots=True)
class Work:
    """A stream of calls: who makes them, with which models, for what, how many, how large.

    Tokens are typical sizes. `cached` and `reasoning` are percent of input and output; `growth` is percent of
    `calls_a_day` that have come on top by the last day. `initiatives` and `models` carry weights; an initiative
    None names nothing.
    """

    application: str
    team: str
    models: tuple[tuple[Model, int], ...]
    initiatives: tuple[tuple[str | None, int], ...]
    calls_a_day: int
    input_tokens: int
    output_tokens: int
    cached: int = 0
    reasoning: int = 0
    growth: int = 30
    people: tuple[int, ...] = ()
    workflow: str | None = None
    environment: str = "run"
    first_days_ago: int = DAYS
    weekend: int = 20
    client: str | None = None


TEAMS = (
    Team("claims", "Claims", "4100"),
    Team("payments", "Payments", "4200"),
    Team("search", "Search", "4300"),
    Team("care", "Customer care", "4400"),
    Team("platform", "Platform", "4500"),
    Team("legal", "Legal", "4600"),
)

INITIATIVES = (
    Funded("CLM-204", "Claims assistant", "claims", "run-2026", "head of claims"),
    Funded("PAY-123", "Payment disputes", "payments", "change-2026", "payments product lead"),
    Funded("SRCH-77", "Search answers", "search", "change-2026", "search product lead"),
    Funded("CARE-31", "Reply drafts", "care", "run-2026", "head of customer care"),
    Funded("ENG-12", "Code assistants", "platform", "run-2026", "head of engineering", kind="capability"),
    Funded("LEG-9", "Contract review", "legal", "experiment", "general counsel", opened_days_ago=70),
    Funded("CARE-40", "Call summaries", "care", "experiment", "head of customer care", opened_days_ago=45),
    Funded("PAY-98", "Fraud notes", "payments", "change-2026", "payments product lead", closed_days_ago=31),
)

UNKNOWN_INITIATIVE = "GROWTH-7"
"""A tag that nobody has put on the list: real companies have them."""

GPT = Model("openai", "gpt-5.4", "openai", "responses")
GPT_MINI = Model("openai", "gpt-5.4-mini", "openai", "chat")
CODEX = Model("openai", "gpt-5.3-codex", "openai", "responses")
EMBEDDING = Model("openai", "text-embedding-3-small", "openai", "embeddings")
OPUS = Model("anthropic", "claude-opus-5-5", "anthropic", "chat")
SONNET = Model("anthropic", "claude-sonnet-5-5", "anthropic", "chat")
HAIKU = Model("anthropic", "claude-haiku-5-5", "anthropic", "chat")
FLASH = Model("gemini", "gemini-3.8-flash", "gemini", "generate_content")
GEMINI_PRO = Model("gemini", "gemini-3.1-pro-preview", "gemini", "generate_content")
TUNED = Model("openai", "ft:gpt-5.4-mini:claims-router", "openai", "chat")
"""A model of the company's own, for which no price list has a price."""

DEAR_WEEKS_AGO = 3
"""The week, Monday to Sunday, when one wrong line of configuration ran the search answers on a dear model."""

BAD_WEEKDAY, BAD_DAYS_AGO_MIN = 3, 4
"""The last Thursday at least so many days ago, when a provider refused or cut most calls for hours."""

WORKS = (
    Work("claims-desk", "claims", ((GPT, 6), (GPT_MINI, 4)), (("CLM-204", 1),), 36, 62_000, 3_900, cached=45, growth=70,
         workflow="claims-triage"),
    Work("claims-router", "claims", ((TUNED, 1),), (("CLM-204", 1),), 9, 1_800, 40, growth=0, workflow="claims-triage",
         first_days_ago=8),
    Work("dispute-triage", "payments", ((SONNET, 7), (OPUS, 3)), (("PAY-123", 9), (None, 1)), 26, 88_000, 5_400,
         cached=55, growth=25, workflow="disputes"),
    Work("fraud-notes", "payments", ((GPT_MINI, 1),), (("PAY-98", 1),), 12, 30_000, 2_700, growth=-80),
    Work("search-answers", "search", ((FLASH, 8), (GEMINI_PRO, 2)), (("SRCH-77", 1),), 42, 96_000, 2_600, cached=30,
         growth=45, weekend=75, workflow="answers"),
    Work("search-index", "search", ((EMBEDDING, 1),), (("SRCH-77", 1),), 14, 75_000, 0, growth=10, weekend=100,
         workflow="indexing"),
    Work("reply-drafts", "care", ((GPT_MINI, 5), (HAIKU, 3)), (("CARE-31", 8), (None, 2)), 30, 45_000, 3_800, cached=35,
         growth=35, weekend=55, workflow="replies"),
    Work("call-summaries", "care", ((FLASH, 1),), (("CARE-40", 1),), 18, 160_000, 5_200, growth=90, first_days_ago=45),
    Work("code-assistant", "platform", ((OPUS, 3), (SONNET, 6)), (("ENG-12", 6), ("PAY-123", 2), ("SRCH-77", 1),
         (None, 2)), 30, 310_000, 11_000, cached=84, reasoning=20, growth=80, people=(1, 2, 3, 4, 5, 6, 7),
         environment="build", weekend=12, client="claude-code"),
    Work("code-review", "platform", ((CODEX, 1),), (("ENG-12", 1),), 20, 120_000, 7_400, cached=50, reasoning=45,
         growth=50, environment="build", weekend=8, workflow="pull-requests", client="codex"),
    Work("contract-review", "legal", ((GEMINI_PRO, 2), (OPUS, 1)), (("LEG-9", 1),), 7, 190_000, 12_400, reasoning=30,
         growth=60, first_days_ago=70, weekend=0, workflow="contracts"),
    Work("notebooks", "search", ((GPT, 2), (SONNET, 1)), ((None, 1),), 9, 110_000, 8_300, growth=40,
         people=(8, 9, 10, 11, 12), environment="explore", weekend=15),
    Work("campaign-texts", "care", ((GPT, 1),), ((UNKNOWN_INITIATIVE, 1),), 7, 16_000, 4_900, growth=120,
         first_days_ago=52, weekend=0),
)  # fmt: skip

KEYS_SHOWN = ("claims-desk", "code-assistant", "reply-drafts")
"""Applications whose keys the demo prints, so that calls can be made with them."""
