"""What a plan's service is like, as the fake server understands it."""

from __future__ import annotations

from relive.testing.server_script import Limits, ServerScript, Updates
from relive.testing.simulation.model import SimulatedModel
from relive.testing.simulation.plan import Plan, Turn

_VIDEO = 7.5  # a session with video is so much shorter
_QUIET = 1.0  # chunks a second where there is no audio to keep pace with


def script_of(plan: Plan, scale: float = 1.0) -> ServerScript:
    """The script of a server that behaves; `scale`: how many times faster the plan is than it was written."""
    service, rate = plan.service, plan.talk.audio.rate or _QUIET * scale
    return ServerScript(
        model=SimulatedModel(plan.talk.turns or (Turn(),), 1.0 / rate, service.thinking),
        setup_delay=service.setup,
        updates=Updates(late=service.late, every_seconds=service.every, while_busy=service.while_busy),
        limits=Limits(
            connection=service.connection,
            lead=service.lead,
            audio_session=service.session,
            video_session=service.session / _VIDEO if service.session is not None else None,
        ),
        vad_silence=None,
    )
