"""The recipe of docs/telemetry.md for Prometheus, scraped over the loopback interface."""

from __future__ import annotations

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world
from tests.telemetry.test_docs import play


@pytest.mark.sockets
def test_prometheus_can_scrape_what_sessions_do() -> None:
    made = play("prometheus")
    telemetry, server = made["telemetry"], made["server"]

    @simulated
    async def life() -> None:
        async with world(policy=QUICK, observers=[telemetry.observer(model="m", conversation="Ada Lovelace")]) as w:
            await eventful(w)

    life()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        made["_"].join()
        made["meters"].shutdown()
    found = {
        (sample.name, sample.labels.get("relive_verdict", ""), sample.labels.get("relive_state", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["relive_connections_total", "resumed", ""] == 2.0
    assert found["relive_sessions", "", "ACTIVE"] == 0.0
    assert found["relive_go_away_lead_seconds_sum", "", ""] == 30.0
    assert found["relive_session_duration_seconds_count", "", "CLOSED"] == 1.0
    assert found["relive_journal_size_bytes", "", ""] == 0.0
    assert "Lovelace" not in text
