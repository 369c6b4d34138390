"""Three policies: for telephone calls, for an app on a mobile network, for a kiosk. `how-to/tune.md` has the reasons.

`test_profiles.py`, beside it, plays each through what it is made for.
"""

from relive import Policy

PHONE = Policy(
    open_timeout=4.0,
    setup_timeout=4.0,
    probe_after=1.5,
    probe_timeout=2.5,
    answer_timeout=10.0,
    retry_base=0.2,
    retry_cap=2.0,
    retry_time=30.0,
    retry_attempts=30,
    audio_age=5.0,
    replay_audio=5.0,
)

MOBILE = Policy(
    open_timeout=20.0,
    setup_timeout=20.0,
    probe_after=5.0,
    probe_timeout=10.0,
    retry_cap=20.0,
    retry_time=900.0,
    retry_attempts=200,
    audio_age=10.0,
    send_limit=1024 * 1024,
    journal_limit=4 * 1024 * 1024,
    output_limit=4 * 1024 * 1024,
)

KIOSK = Policy(
    rotate_after=480.0,
    rotate_patience=60.0,
    probe_after=10.0,
    answer_timeout=None,
    retry_cap=60.0,
    retry_time=86_400.0,
    retry_attempts=10_000,
    retry_total=1_000_000,
)
