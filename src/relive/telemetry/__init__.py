"""Telling people and machines what sessions do: observers for `logging` and for OpenTelemetry.

`relive.telemetry.logging` needs nothing; `relive.telemetry.opentelemetry` needs the extra ``opentelemetry``. None of
them tells a handle or a key. What they tell is listed in docs/telemetry.md.
"""
