"""Says what went wrong with an application, what was done to it, and how to see it again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import reduce
from typing import Any, cast

from relive.testing.server_model import Model
from relive.testing.simulation.embedding import Agent, AgentHistory, Claim
from relive.testing.simulation.explain import example_line, in_words
from relive.testing.simulation.outcome import Violation
from relive.testing.simulation.plan import Plan


def tell_agent(
    agent: Agent,
    history: AgentHistory,
    what: str,
    *,
    claims: Sequence[Claim] = (),
    model: Model | None = None,
    twice: bool = False,
) -> str:
    """Say what went wrong with an application, what was done to it, and how to see it again.

    Args:
        agent: the application.
        history: what happened to it.
        what: what is wrong with that.
        claims: what `hold_agent` was given besides, as the next two.
        model: likewise.
        twice: likewise.
    """
    plan, name = history.plan, name_of(agent)
    left_out = sorted({record.what for record in history.records if record.kind == "left_out"})
    return "\n".join([
        what,
        "",
        f"{name} through {plan.seconds:g} s, the last {plan.calm:g} of them without faults; seed {plan.seed}",
        *(f"  {number}. {in_words(step)}" for number, step in enumerate(plan.steps, 1)),
        *([f"  (not for applications, and left out: {', '.join(left_out)})"] if left_out else []),
        *_walks(history),
        "",
        "the plan (what it does not say has its default):",
        plan.to_json(indent=2),
        "",
        "play it again:",
        *_again(agent, plan, claims, model, twice=twice),
        "or in a test:",
        f"  {example_line(plan)}",
    ])  # fmt: skip


def _again(agent: Agent, plan: Plan, claims: Sequence[Claim], model: Model | None, *, twice: bool) -> list[str]:
    """The call that plays it again, and what in it is not to be had by the name that it has there."""
    given: list[object] = [agent, *claims, *([model] if model is not None else [])]
    written = [_written(thing) for thing in given]
    words = [words for words, _ in written]
    arguments = [words[0], f"Plan.from_json({plan.to_json()!r})", *words[1 : 1 + len(claims)]]
    if model is not None:
        arguments.append(f"model={words[-1]}")
    if twice:
        arguments.append("twice=True")
    elusive = [words for words, there in written if not there]
    return [
        f"  hold_agent({', '.join(arguments)})",
        *([f"  (there is no importing of {', '.join(elusive)}: put in what was given)"] if elusive else []),
    ]


def _written(thing: object) -> tuple[str, bool]:
    """How code names a thing, or makes one like it; and whether it would find it by that."""
    if hasattr(thing, "__qualname__"):
        return name_of(thing), _is_there(thing)
    kind = type(thing)
    plain = kind.__repr__ is object.__repr__
    if not plain and "<" not in repr(thing):
        return repr(thing), _is_there(kind)
    stateless = plain and not getattr(thing, "__dict__", None) and not hasattr(kind, "__slots__")
    return f"{kind.__qualname__}({'' if stateless else '…'})", stateless and _is_there(kind)


def _is_there(thing: Any) -> bool:
    """Whether a function or a class can be imported by its name."""
    try:
        return reduce(getattr, thing.__qualname__.split("."), sys.modules[thing.__module__]) is thing
    except (AttributeError, KeyError):
        return False


def _walks(history: AgentHistory) -> list[str]:
    """Say what its sessions went through, a line for each."""
    walks = [" → ".join(history.states_of(number)) for number in range(len(history.clients))]
    if len(walks) > 1:
        return [f"  session {number} went {walk}" for number, walk in enumerate(walks)]
    return [f"  its session went {walk}" for walk in walks] or ["  it opened no session"]


def named(history: AgentHistory, broken: Violation) -> str:
    """Say of a promise that was not kept in which session, if there are several."""
    return f"session {broken.client}: {broken}" if len(history.clients) > 1 and broken.client >= 0 else str(broken)


def told(error: BaseException) -> str:
    """What kind of error it is, and what it says: `repr` is for who looks into it, and often says nothing."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return f"{text}: {'; '.join(map(told, inner))}"
    return text


def name_of(function: object) -> str:
    """What a function is called; an object that can be called, by its type."""
    return getattr(function, "__qualname__", type(function).__qualname__)
