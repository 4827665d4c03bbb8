"""The benchmark works: it starts what it measures, believes no wrong answer, and prints what it says it prints.

No figure is held against a goal here: machines that run tests are busy.
"""

import sys

import pytest
from rich.console import Console

from tests.bench import clients, table
from tests.bench.figures import figures
from tests.bench.gateways import available
from tests.bench.run import Options, bench, report
from tests.bench.scenarios import SCENARIOS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="CPU and memory are read from Linux's /proc")

SHORT_S = 0.2


def test_a_short_run_prices_every_answer_and_prints_both_tables() -> None:
    ours = available()[:1]
    scenarios = tuple(one for one in SCENARIOS if one.name in {"c1", "stream64"})
    measured = bench(Options(SHORT_S, 1, ours, scenarios), lambda _: None)

    rows = figures(measured)
    assert [(row.gateway, row.errors, row.faults) for row in rows] == [("weighbridge", 0, ())]
    (whole,) = (row for row in measured if (row.gateway, row.scenario) == ("weighbridge", "c1"))
    assert whole.result.priced == whole.result.requests > 0
    assert whole.cpu_ns > 0
    (streamed,) = (row for row in measured if (row.gateway, row.scenario) == ("weighbridge", "stream64"))
    assert streamed.result.chunks > streamed.result.requests > 0

    written = report(Options(SHORT_S, 1, ours, scenarios), rows, Console(quiet=True))
    assert written.count("| weighbridge |") == 2


def test_our_client_is_measured_with_every_answer_checked() -> None:
    costs = clients.compared(SHORT_S, 1, ("c1",), ("ours",))

    assert [(cost.client, cost.errors) for cost in costs] == [("ours", 0)]
    assert costs[0].cpu_us > 0
    assert table.as_markdown(clients.rows(costs, ("c1",))).splitlines()[2].startswith("| ours | ")
