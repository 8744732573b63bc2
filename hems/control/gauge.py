"""What the meter says about one direction of the house, always on the safe side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hems.control.budget import Convention, Situation
from hems.control.credit import CreditReading, CreditTracker
from hems.control.headroom import left_of_fuse
from hems.control.rules import HouseRules
from hems.control.surplus import HouseBeyondGeneration, generation_beyond_house
from hems.devices import Direction
from hems.limits.ceilings import Basis, Ceiling, strictest_feed_in
from hems.limits.reason import Reason
from hems.metering.measurements import Measurements, PairedReading, Quality

HOUSE_RESERVE = 0.3
"""Part of a fuse that is left to the rest of the house while no meter shows what it takes."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who is who in one direction, by name.

    `sharing`: the devices that share limits and whose draw earns credit; in production all producers.
    `members`: all that can load the connection. `producers`: whose feed-in is generation. `unmeasured_w`: in
    production, what those without a fresh reading may make. `switching`: the members that switch between one
    phase and all, and from which power on they use all.
    """

    sharing: Sequence[str]
    members: Sequence[str]
    producers: Sequence[str]
    unmeasured_w: float = 0.0
    switching: Mapping[str, float] = field(default_factory=dict)


class Gauge:
    """Follows credit, generation, rest of the house and headroom of the fuses."""

    def __init__(self, direction: Direction, rules: HouseRules) -> None:
        self._direction = direction
        self._rules = rules
        self._credit = CreditTracker()
        self._beyond_generation = HouseBeyondGeneration()
        self._generation = CreditTracker()
        self._minus_house = CreditTracker()
        self._headroom: dict[Basis, CreditTracker] = {}

    @property
    def credit_w(self) -> float:
        """The credit that may be used now."""
        return self._credit.credit_w

    @property
    def credit_reason(self) -> Reason:
        """Why it is that much."""
        return self._credit.reason

    def situation(self, parties: Parties) -> Situation:
        """Everything that ceilings are converted with."""
        consumption = self._direction is Direction.CONSUMPTION
        return Situation(
            credit_w=self._credit.credit_w,
            generation_w=self._generation.credit_w,
            house_w=max(0.0, -self._minus_house.credit_w),
            headroom_w={basis: tracker.credit_w for basis, tracker in self._headroom.items()},
            convention=self._rules.convention,
            sharing=frozenset(parties.sharing) if consumption else None,
            spread={name: self._rules.of(name).spread for name in parties.members},
            switching={
                name: (self._rules.of(name).line, from_w) for name, from_w in parties.switching.items()
            },
        )

    def measure(
        self,
        measurements: Measurements,
        parties: Parties,
        in_force: Iterable[Ceiling],
        frozen_until_s: float,
        now: float,
        offered_w: float = 0.0,
    ) -> None:
        """Take the newest readings. `frozen_until_s`: until when they may be mixed by a rise. `offered_w`:
        what is fed in above the limit for a battery.
        """
        paired = measurements.paired(self._direction, parties.sharing, now)
        if self._direction is Direction.PRODUCTION:
            limit = strictest_feed_in(in_force)
            may_feed_in_w = None if limit is None else limit[0] + offered_w
            reading = self._beyond_generation.reading(paired, parties.unmeasured_w, may_feed_in_w)
            self._credit.update(reading, frozen_until_s=frozen_until_s)
            return
        reading = None if paired is None else generation_beyond_house(paired)
        self._credit.update(reading, frozen_until_s=frozen_until_s)
        if self._rules.convention is not Convention.HOUSE_FIRST:
            made = measurements.paired(Direction.PRODUCTION, parties.producers, now)
            self._measure_generation(paired, made, frozen_until_s)
        for ceiling in in_force:
            if ceiling.fuse is not None and ceiling.value_w is not None:
                tracker = self._headroom_of(ceiling.basis, ceiling.value_w)
                reading = self._headroom_reading(measurements, parties, ceiling, now)
                tracker.update(reading, frozen_until_s=frozen_until_s)

    def _measure_generation(
        self, drawn: PairedReading | None, made: PairedReading | None, frozen_until_s: float
    ) -> None:
        if drawn is None or made is None:
            self._generation.update(None, frozen_until_s=frozen_until_s)
            self._minus_house.update(None, frozen_until_s=frozen_until_s)
            return
        generation = CreditReading(made.least_w, made.most_w, made.taken_s)
        taken_s = min(drawn.taken_s, made.taken_s)
        house = CreditReading(
            -max(0.0, drawn.grid_w - drawn.least_w + made.most_w),
            -max(0.0, drawn.grid_w - drawn.most_w + made.least_w),
            taken_s,
        )
        self._generation.update(generation, frozen_until_s=frozen_until_s)
        self._minus_house.update(house, frozen_until_s=frozen_until_s)

    def _headroom_of(self, basis: Basis, value_w: float) -> CreditTracker:
        if basis not in self._headroom:
            self._headroom[basis] = CreditTracker(without_meter_w=value_w * (1.0 - HOUSE_RESERVE))
        return self._headroom[basis]

    def _headroom_reading(
        self, measurements: Measurements, parties: Parties, ceiling: Ceiling, now: float
    ) -> CreditReading | None:
        """What the rest of the house leaves of a fuse."""
        meter = measurements.meter()
        if ceiling.fuse is None or meter is None or measurements.meter_quality(now) is not Quality.GOOD:
            return None
        drawn_w = self._drawn_w(measurements, parties, meter.at_s, ceiling.basis.phase)
        return left_of_fuse(ceiling.fuse, meter, drawn_w)

    def _drawn_w(
        self, measurements: Measurements, parties: Parties, at_s: float, phase: int | None
    ) -> tuple[float, float]:
        """What the devices drew at a moment, on one phase or together; an unmeasured one counts zero."""
        least_w, most_w = 0.0, 0.0
        for name in parties.members:
            between_w = measurements.between_w(Direction.CONSUMPTION, name, at_s)
            if between_w is not None:
                least, most = self._parts(name, phase, name in parties.switching)
                least_w += least * between_w[0]
                most_w += most * between_w[1]
        return least_w, most_w

    def _parts(self, name: str, phase: int | None, switches: bool) -> tuple[float, float]:
        """The parts of its draw that are at least and at most on a phase."""
        if phase is None:
            return 1.0, 1.0
        traits = self._rules.of(name)
        evenly = traits.spread[phase - 1]
        if not switches:
            return evenly, evenly
        return (evenly, 1.0) if traits.line == phase else (0.0, evenly)
