"""A campaign on more than one machine: here, on dask.distributed's executor over a cluster of local processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor

import attrs
import pytest
from tests.simulation import plays

from relive.testing.simulation.campaign import Campaign, run

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: pip install distributed")
pytestmark = pytest.mark.sockets

SHORT = Campaign(seed=3, sessions=4, draw=plays.short, keep_going=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Executor]:
    """Two workers, and the executor that a campaign is given."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
        # Not `pure`: dask would not play a session a second time, but remember what came of it.
        client.get_executor(pure=False) as executor,
    ):
        yield executor


def test_a_cluster_makes_the_same_of_it(cluster: Executor) -> None:
    assert cluster.submit(os.getpid).result() != os.getpid()
    assert run(SHORT, executor=cluster, jobs=2).tally == run(SHORT).tally


def test_it_ends_there_at_the_first_violation_as_well(cluster: Executor) -> None:
    result = run(Campaign(sessions=40, draw=plays.numbered, play=plays.paper), executor=cluster, jobs=2)
    assert [failure.index for failure in result.tally.failures] == [7]
    assert result.tally.sessions == 8


def test_it_plays_twice_what_is_to_be_played_twice(cluster: Executor) -> None:
    clock = Campaign(sessions=3, draw=plays.numbered, play=plays.by_the_clock)
    assert run(clock, executor=cluster, again=cluster, jobs=2).difference is not None
    steady = attrs.evolve(clock, play=plays.paper)
    assert run(steady, executor=cluster, again=cluster, jobs=2).good
