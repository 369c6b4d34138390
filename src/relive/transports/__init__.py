"""Transports: implementations of `relive.ports.Transport`."""
