"""Where a model's requests go: named routes first, then what is asked for by provider, then who serves the name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.routing import Route, Serves, Target, Unroutable, plan

OPENAI = Serves("openai", ("openai",), ("gpt-*", "o3"))
ANTHROPIC = Serves("anthropic", ("anthropic",), ("claude-*",))
LOCAL = Serves("local", ("openai", "anthropic"), ("*",))
SPARE = Serves("spare", ("openai",), ("*",))

FAST = Route("fast", ("openai/gpt-4o-mini", "anthropic/claude-haiku", "local/org/smollm2"), ("quick",))
SHADOW = Route("openai/gpt-4o", ("local/gpt-4o",))

ALL = (OPENAI, ANTHROPIC, LOCAL, SPARE)


@pytest.mark.parametrize(
    ("model", "dialect", "targets"),
    [
        # A named route, by its name or another name of it, keeps its order and those that speak the dialect.
        ("fast", "openai", (Target("openai", "gpt-4o-mini"), Target("local", "org/smollm2"))),
        ("quick", "anthropic", (Target("anthropic", "claude-haiku"), Target("local", "org/smollm2"))),
        # It wins over "provider/model" of the same spelling.
        ("openai/gpt-4o", "openai", (Target("local", "gpt-4o"),)),
        # "provider/model" goes there whatever the globs say; only the first slash divides.
        ("anthropic/claude-opus", "anthropic", (Target("anthropic", "claude-opus"),)),
        ("openai/other", "openai", (Target("openai", "other"),)),
        ("spare/org/model", "openai", (Target("spare", "org/model"),)),
        # A prefix that is no provider belongs to the model's name.
        ("meta/llama", "openai", (Target("local", "meta/llama"),)),
        ("local/", "openai", (Target("local", "local/"),)),
        # By glob: the longest pattern, and one target only.
        ("gpt-4o", "openai", (Target("openai", "gpt-4o"),)),
        ("o3", "openai", (Target("openai", "o3"),)),
        ("o3-mini", "openai", (Target("local", "o3-mini"),)),
        # Letters' case counts, as it does at the providers.
        ("GPT-4o", "openai", (Target("local", "GPT-4o"),)),
        # Who matches best but does not speak the dialect is passed over for who does.
        ("gpt-4o", "anthropic", (Target("local", "gpt-4o"),)),
    ],
)
def test_a_model_goes_to(model: str, dialect: str, targets: tuple[Target, ...]) -> None:
    assert plan(model, dialect, (FAST, SHADOW), ALL) == targets


@pytest.mark.parametrize(
    ("model", "dialect", "others"),
    [
        ("mistral-large", "openai", ()),
        ("claude-opus", "openai", ("anthropic",)),
        ("gpt-4o", "gemini", ("openai",)),
        ("openai/gpt-4o", "gemini", ("openai",)),
        ("fast", "gemini", ("anthropic", "openai")),
        ("", "openai", ()),
        ("/", "openai", ()),
    ],
)
def test_a_model_nobody_serves_in_a_dialect_says_in_which_it_is_served(
    model: str, dialect: str, others: tuple[str, ...]
) -> None:
    route = Route("fast", ("openai/gpt-4o-mini", "anthropic/claude-haiku"))
    assert plan(model, dialect, (route,), (OPENAI, ANTHROPIC)) == Unroutable(model, others)


def test_without_providers_nothing_is_routed() -> None:
    assert plan("gpt-4o", "openai", (), ()) == Unroutable("gpt-4o", ())


def test_of_equal_patterns_the_provider_named_first_wins() -> None:
    assert plan("x", "openai", (), (LOCAL, SPARE)) == (Target("local", "x"),)
    assert plan("x", "openai", (), (SPARE, LOCAL)) == (Target("spare", "x"),)


def test_a_providers_longest_pattern_that_matches_counts() -> None:
    several = Serves("several", ("openai",), ("*", "gpt-4o-*"))
    assert plan("gpt-4o-mini", "openai", (), (OPENAI, several)) == (Target("several", "gpt-4o-mini"),)
    assert plan("gpt-5", "openai", (), (OPENAI, several)) == (Target("openai", "gpt-5"),)


_names = st.text("abc", min_size=1, max_size=3)
_globs = st.text("abc*?", min_size=1, max_size=3)
_dialects = st.sampled_from(["openai", "anthropic", "gemini"])
_providers = st.lists(
    st.builds(
        Serves,
        _names,
        st.lists(_dialects, min_size=1, unique=True).map(tuple),
        st.lists(_globs, min_size=1, max_size=3).map(tuple),
    ),
    max_size=4,
    unique_by=lambda provider: provider.name,
)


@given(_names, _dialects, _providers, st.data())
def test_every_target_speaks_the_dialect_and_fallbacks_are_only_those_that_are_named(
    model: str, dialect: str, providers: list[Serves], data: st.DataObject
) -> None:
    routes: list[Route] = []
    if providers:
        target = st.tuples(st.sampled_from([p.name for p in providers]), _names).map("/".join)
        routes = data.draw(
            st.lists(st.builds(Route, _names, st.lists(target, min_size=1, max_size=3).map(tuple)), max_size=2)
        )
    planned = plan(model, dialect, routes, providers)
    speaks = {provider.name: provider.dialects for provider in providers}
    if isinstance(planned, Unroutable):
        assert dialect not in planned.other_dialects
        return
    assert planned
    assert all(dialect in speaks[target.provider_name] for target in planned)
    named = next((route for route in routes if route.name == model), None)
    if named is None:
        assert len(planned) == 1
    else:
        written = [f"{target.provider_name}/{target.model}" for target in planned]
        assert written == [target for target in named.targets if dialect in speaks[target.partition("/")[0]]]
