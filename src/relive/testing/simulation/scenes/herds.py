"""Scenes of many sessions in one process: what they all go through at the same moment."""

from __future__ import annotations

import attrs

from relive.testing.simulation import faults as f
from relive.testing.simulation.plan import Plan
from relive.testing.simulation.scenes.deal import Deal, at, in_, scene, with_


@scene()
def thundering_herd(plan: Plan, deal: Deal) -> Plan:
    """The server is started anew: all sessions lose their connections at once, and want others at once."""
    when, refusal = deal.at(60.0, 300.0), deal.of(503, 429, None)
    storm = (
        at(when, f.RestartServer(deal.of("kept", "lost"))),
        at(when, f.RefuseDial(refusal, 6)),
        at(when, f.SlowSetup(2.0, 5.0)),
    )
    return attrs.evolve(with_(plan, *storm), herd=deal.of(6, 3))


@scene()
def swizzled_herd(plan: Plan, deal: Deal) -> Plan:
    """Connections are clogged one by one and unclogged in another order, while all are told to go."""
    when, every = deal.at(60.0, 300.0), deal.of(0.5, 3.0, 6.0)
    steps = (at(when, f.Swizzle(every)), at(when + every, f.GoAway(deal.of(10.0, None))))
    again = in_("RESUMING", f.Swizzle(every), when)
    return attrs.evolve(with_(plan, *steps, again), herd=deal.of(3, 4))
