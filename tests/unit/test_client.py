"""A client's family: the program a person would name, by the User-Agent it sends."""

import pytest

from gateway.client import FAMILIES, family_of

AGENTS = {
    "OpenAI/Python 3.57.0": "openai",
    "AsyncOpenAI/Python 3.57.0": "openai",
    "OpenAI/JS 6.49.0": "openai",
    "Anthropic/Python 2.13.0": "anthropic",
    "google-genai-sdk/3.6.1 gl-python/3.11.7": "google-genai",
    "ai/6.0.325 ai-sdk/provider-utils/4.0.65 runtime/node.js/v20.20.2": "ai-sdk",
    "ai-sdk/openai-compatible/2.0.92 ai-sdk/provider-utils/4.0.65 runtime/node.js/v20.20.2": "ai-sdk",
    "claude-cli/2.1.331 (external, sdk-cli)": "claude-cli",
    "codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)": "codex",
    "GeminiCLI/0.61.0/gemini-2.5-pro (linux; x64)": "gemini-cli",
    "curl/7.88.1": "curl",
    "node": "node",
    "Python-urllib/3.11": "python",
    "Mozilla/5.0": "other",
}
"""What they sent here, each at the version it names; Gemini's command line after its published source."""


@pytest.mark.parametrize(("agent", "family"), AGENTS.items())
def test_a_client_is_known_by_the_program_and_not_by_what_it_is_built_on(agent: str, family: str) -> None:
    assert family_of(((b"accept", b"*/*"), (b"user-agent", agent.encode()))) == family
    assert family in {*FAMILIES, "other"}


def test_a_client_that_says_nothing_of_itself_has_no_family() -> None:
    assert family_of(((b"accept", b"*/*"),)) is None
