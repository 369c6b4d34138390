"""Scenes: small stories that lead to the corners of the machine. A plan of the default profile has one."""

from __future__ import annotations

from relive.testing.simulation.scenes import herds, losing, opening
from relive.testing.simulation.scenes.deal import DECK, SCENES, Deal, Scene

__all__ = ["DECK", "SCENES", "Deal", "Scene", "herds", "losing", "opening"]
