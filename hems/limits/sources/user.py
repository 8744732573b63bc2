"""People and their automations: an own limit on consumption. It can lower what others allow, never raise."""

from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts

USER_SOURCE = "user/own_limit"


def user_ceiling(value_w: float | None, channel: str, since_s: float) -> Ceiling:
    """The ceiling that follows from an own limit; None lifts it. `channel`: where it came from, for people.

    It has no freshness: a wish stands until it is changed, also when the channel is gone.
    """
    return Ceiling(
        source=USER_SOURCE,
        value_w=value_w,
        basis=Basis.CONTROLLABLE,
        kind=CeilingKind.USER,
        reason=_explain(value_w, channel),
        since_s=since_s,
    )


def _explain(value_w: float | None, channel: str) -> Reason:
    if value_w is None:
        return Reason("no_own_limit", "there is no own limit", {"channel": channel})
    text = f"an own limit of {watts(value_w)} was set by {channel}"
    return Reason("own_limit", text, {"limit_w": value_w, "channel": channel})
