"""Simulations: a plan goes in, a history comes out, and the promises are checked on it.

Where to look: `plan` and `faults` say what can be asked for, `draw` draws plans from a seed, `user` and `model` talk to
each other, `chaos` brings the faults, `history` is what happened, and `checks` holds it to the promises. The levels
play a plan: `core_level` (pure, no event loop), `runtime_level` (virtual time), `socket_level` (real TLS). `campaign`
plays thousands of them, and `shrink` makes one that fails small.
"""
