"""The cap on feed-in until a plant has proven that it can be controlled (§ 9 EEG). Pure.

The cap is measured where the plant connects to the grid, so what the house takes counts in its favour. It
ends on the day on which the grid operator has tested the control successfully.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason, watts

FEED_IN_CAP_SOURCE = "statutory/feed_in_cap"


@dataclass(frozen=True, slots=True)
class CapRules:
    """The numbers of the statute, state of 25 February 2025 (§ 9 (1) and (2), § 100 (3) and (3b) EEG)."""

    share: float = 0.6
    in_force_from: date = date(2025, 2, 25)
    no_cap_from: date = date(2023, 1, 1)
    """Plants from this day to the day before `in_force_from` have no cap."""
    older_share: float = 0.7
    no_cap_from_w: float = 100_000.0
    plug_in_installed_w: float = 2_000.0
    plug_in_inverter_va: float = 800.0


RULES = CapRules()


@dataclass(frozen=True, slots=True)
class Plant:
    """The solar plant behind the connection, all its parts together.

    `installed_w`: module power. `inverter_va`: together, None when not told. `subsidised`: on feed-in tariff
    or tenant-power premium. `remotely_reducible`: by ripple control, which older plants may have in place of
    the cap. `tested_on`: the day of the first successful test by the grid operator. `share`: takes the place
    of what the statute says.
    """

    installed_w: float
    commissioned: date | None = None
    inverter_va: float | None = None
    subsidised: bool = True
    remotely_reducible: bool = False
    tested_on: date | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """`share` of the installed power, None for no cap, and why."""

    share: float | None
    reason: Reason


def cap_of(plant: Plant, today: date, rules: CapRules = RULES) -> Cap:
    """The cap that holds today. A plant whose age is not told counts as a new one."""
    if plant.tested_on is not None and plant.tested_on <= today:
        return _none(f"the grid operator has tested the control on {plant.tested_on}", "cap_tested")
    if plant.share is not None:
        return _cap(plant, plant.share, "set by the configuration")
    exemption = _exemption(plant, rules)
    if exemption:
        return _none(exemption, "cap_exempt")
    if plant.commissioned is None or plant.commissioned >= rules.in_force_from:
        return _cap(plant, rules.share, "§ 9 (2) EEG")
    if plant.commissioned >= rules.no_cap_from:
        return _none(f"in operation since {plant.commissioned}: § 100 (3b) EEG", "cap_exempt")
    if plant.remotely_reducible:
        return _none("the grid operator can reduce the plant: § 100 (3) EEG", "cap_exempt")
    return _cap(plant, rules.older_share, "§ 100 (3) EEG")


def _exemption(plant: Plant, rules: CapRules) -> str:
    small = plant.installed_w <= rules.plug_in_installed_w
    if small and plant.inverter_va is not None and plant.inverter_va <= rules.plug_in_inverter_va:
        return "plug-in solar: § 9 (1) EEG"
    if plant.installed_w >= rules.no_cap_from_w:
        return f"{watts(plant.installed_w)} or more are read and reduced remotely instead: § 9 (2) EEG"
    if not plant.subsidised:
        return "neither feed-in tariff nor tenant-power premium: § 9 (2) EEG"
    return ""


def _cap(plant: Plant, share: float, clause: str) -> Cap:
    waiting = "control not yet tested by the grid operator"
    limit_w = share * plant.installed_w
    text = (
        f"{100 * share:g} % of {watts(plant.installed_w)} installed = {watts(limit_w)}: {waiting} ({clause})"
    )
    return Cap(share, Reason("feed_in_cap", text, {"limit_w": limit_w, "clause": clause}))


def _none(why: str, code: str) -> Cap:
    return Cap(None, Reason(code, f"no cap on feed-in: {why}"))


class FeedInCapSource:
    """The cap of one plant. `today`: the date of the house."""

    def __init__(self, plant: Plant, today: Callable[[], date]) -> None:
        self._plant = plant
        self._today = today
        self._told: Cap | None = None

    def due(self, now: float) -> list[Ceiling]:
        """Its ceiling at the start, and again on the day on which it ends."""
        cap = cap_of(self._plant, self._today())
        if cap == self._told:
            return []
        self._told = cap
        value_w = None if cap.share is None else cap.share * self._plant.installed_w
        return [
            Ceiling(
                FEED_IN_CAP_SOURCE, value_w, Basis.FEED_IN, CeilingKind.STATUTORY, cap.reason, since_s=now
            )
        ]
