"""A variable of the environment that is likely a mistake is named."""

import re

import pytest

from gateway.settings_variables import odd_variables


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"PATH": "/bin", "WEIGHBRIDGE_PORT": "1", "WEIGHBRIDGE_KEY": "wb_x", "OPENAI_API_KEY": "sk-1"}, None),
        ({"WEIGHBRIDGE_PROT": "1"}, "WEIGHBRIDGE_PROT is no variable of Weighbridge, .* mean WEIGHBRIDGE_PORT"),
        ({"WEIGHBRIDGE_XYZ": "1"}, "WEIGHBRIDGE_XYZ is no variable of Weighbridge, so it sets nothing\\.$"),
        ({"OPENAI_API_KEY": "wb_x"}, "OPENAI_API_KEY holds a Weighbridge key"),
    ],
)
def test_a_variable_that_is_likely_a_mistake_is_named(environ: dict[str, str], says: str | None) -> None:
    found = odd_variables(environ)
    assert (len(found) == 0) if says is None else re.match(says, found[0])
