"""A gateway with three devices as northbound sees it, and a broker that remembers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from adapters.mqtt.broker import Listener, Message
from eebus.clock import FakeClock
from eebus.usecases.controllable_system import ControllableSystemStatus, DirectionStatus
from eebus.usecases.events import LimitKind
from eebus.usecases.limit_rules import LimitState
from hems.config import MqttSettings
from hems.control.execution import Obedience
from hems.control.status import BudgetStatus, ControlStatus, DeviceStatus, LaneStatus, SideStatus
from hems.devices import Direction, Kind
from hems.limits.ceilings import Basis, Ceiling, CeilingKind
from hems.limits.reason import Reason
from hems.metering.measurements import Quality
from hems.northbound.home_assistant.site import Appliance, Site
from hems.northbound.moment import Moment
from hems.northbound.mqtt.outbox import Outgoing
from hems.northbound.mqtt.service import MqttService
from hems.northbound.mqtt.topics import Topics
from hems.northbound.view import Instant
from hems.store.errors import StoreError

TOPICS = Topics("hems", "g1")
NOW_S = 1000.0
NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
MOST_W = 24_150

SITE = Site(
    name="Musterweg 7",
    version="1.2.3",
    serial="0123",
    topics=TOPICS,
    directions=(Direction.CONSUMPTION, Direction.PRODUCTION),
    has_meter=True,
    appliances=(
        Appliance("wallbox", Kind.WALLBOX, (Direction.CONSUMPTION,)),
        Appliance("roof-1", Kind.INVERTER, (Direction.PRODUCTION,)),
        Appliance("battery", Kind.BATTERY, (Direction.CONSUMPTION,)),
    ),
    own_limit_most_w=MOST_W,
)

LIMITED = DirectionStatus(
    state=LimitState.LIMITED,
    since=940.0,
    rule="LPC-910",
    effective_limit_w=4200.0,
    limit_kind=LimitKind.GRID_OPERATOR,
    limit_until=1300.0,
    limit_remaining_s=300.0,
    stored_value_w=4200.0,
    failsafe_limit_w=4200.0,
    next_transition_at=None,
    next_transition="",
)
FREE = replace(
    LIMITED,
    state=LimitState.UNLIMITED_CONTROLLED,
    effective_limit_w=None,
    limit_kind=None,
    limit_until=None,
    limit_remaining_s=None,
)
FAILSAFE = replace(LIMITED, state=LimitState.FAILSAFE, limit_kind=LimitKind.SELF_IMPOSED, limit_until=None)

BY_BOX = Ceiling(
    source="eebus/lpc",
    value_w=4200.0,
    basis=Basis.CONTROLLABLE,
    kind=CeilingKind.GRID_OPERATOR,
    reason=Reason("eebus_limited", "the grid operator limits consumption to 4.20 kW (LPC-910)"),
    since_s=940.0,
    until_s=1300.0,
)
NO_FEED_IN_LIMIT = Ceiling(
    source="eebus/lpp",
    value_w=None,
    basis=Basis.FEED_IN,
    kind=CeilingKind.GRID_OPERATOR,
    reason=Reason("eebus_free", "the control box does not limit feed-in (LPP-901)"),
    since_s=900.0,
)


def lane(direction: Direction, setpoint_w: float | None = 4140.0) -> LaneStatus:
    """A device that obeys."""
    return LaneStatus(
        direction=direction,
        bounded=setpoint_w is not None,
        setpoint_w=setpoint_w,
        charge_w=4140.0,
        measured_w=4000.0,
        obedience=Obedience.EFFECTIVE,
        standing=Reason("effective", "measured at 4.00 kW"),
        why=Reason("share", "4.14 kW: all that is left of the budget"),
    )


def device(name: str, kind: Kind, power_w: float | None, *lanes: LaneStatus) -> DeviceStatus:
    """A device that was read lately."""
    return DeviceStatus(name, kind, True, "", power_w, 0.3, "charging", lanes)


DEVICES = (
    device("wallbox", Kind.WALLBOX, 4000.0, lane(Direction.CONSUMPTION)),
    device("roof-1", Kind.INVERTER, -3000.0, lane(Direction.PRODUCTION, None)),
    device("battery", Kind.BATTERY, -500.0, lane(Direction.CONSUMPTION, 0.0)),
)


def side(direction: Direction, *budgets: BudgetStatus) -> SideStatus:
    """One direction of the house."""
    return SideStatus(direction, bool(budgets), budgets, 0.0, Reason("no_credit", ""), 0.0)


CONTROL = ControlStatus(
    at_s=NOW_S,
    cycles=10,
    last_cycle_age_s=0.1,
    ceilings=(BY_BOX, NO_FEED_IN_LIMIT),
    sides=(
        side(Direction.CONSUMPTION, BudgetStatus("eebus/lpc", 5000.0, None, Reason("budget", "…"))),
        side(Direction.PRODUCTION),
    ),
    devices=DEVICES,
    grid_power_w=1200.4,
    grid_quality=Quality.GOOD,
    grid_age_s=0.4,
    grid_trouble="",
)

ENERGIES_WH = {
    "grid/consumed": 5_000_000.0,
    "grid/fed_in": 2_000_000.0,
    "wallbox/consumed": 1_234_567.8,
    "wallbox/produced": 0.0,
    "roof-1/produced": 3_000_000.0,
    "roof-1/consumed": 0.0,
    "battery/consumed": 600_000.0,
    "battery/produced": 500_000.0,
}


def a_moment(
    consumption: DirectionStatus = LIMITED,
    *,
    control: ControlStatus = CONTROL,
    energies_wh: dict[str, float] | None = None,
    own_limit_w: float | None = None,
    warnings: tuple[str, ...] = (),
    now_s: float = NOW_S,
    heartbeat_age_s: float | None = 27.0,
) -> Moment:
    """The gateway at one moment."""
    return Moment(
        instant=Instant(now_s, NOW),
        started_at=datetime(2026, 1, 31, 9, 0, tzinfo=UTC),
        system=ControllableSystemStatus(consumption, FREE, heartbeat_age_s, None, 7200.0, True),
        control=control,
        energies_wh=ENERGIES_WH if energies_wh is None else energies_wh,
        box_connected=True,
        own_limit_w=own_limit_w,
        warnings=warnings,
    )


class FakeGateway:
    """Shows what a test wants it to show."""

    def __init__(self) -> None:
        self.now = a_moment()
        self.shape = SITE
        self.own_limits: list[float | None] = []
        self.disk_is_stuck = False

    def moment(self) -> Moment:
        return self.now

    def site(self) -> Site:
        return self.shape

    def set_own_limit(self, value_w: float | None, channel: str) -> None:
        if self.disk_is_stuck:
            raise StoreError("the disk is stuck")
        self.own_limits.append(value_w)
        self.now = replace(self.now, own_limit_w=value_w)


class MemoryBroker:
    """Retains like a broker and hands back what was subscribed."""

    def __init__(self) -> None:
        self.hides_retained = False
        self.on_session: list[Callable[[], None]] = []
        self.retained: dict[str, str] = {}
        self.sent: list[Outgoing] = []
        self._listeners: list[tuple[str, Listener]] = []

    def listen(self, topic_filter: str, listener: Listener, *, commands: bool = False) -> None:
        self._listeners.append((topic_filter, listener))

    def put(self, message: Outgoing) -> None:
        self.sent.append(message)
        if message.retain and message.payload:
            self.retained[message.topic] = message.payload
        elif message.retain:
            self.retained.pop(message.topic, None)

    def arrive(self, topic: str, payload: str | bytes, *, retained: bool = False) -> None:
        """Let a message of somebody arrive."""
        data = payload.encode() if isinstance(payload, str) else payload
        for topic_filter, listener in self._listeners:
            if _matches(topic_filter, topic):
                listener(Message(topic, data, retained))

    def connect(self, status_topic: str, *, echo: bool = True) -> None:
        """A new connection: what is retained is told, then our own `online` comes back."""
        for tell in self.on_session:
            tell()
        for topic, payload in dict(self.retained).items():
            self.arrive(topic, payload, retained=True)
        self.retained[status_topic] = "online"
        if echo:
            self.arrive(status_topic, "online")

    def topics_sent(self) -> list[str]:
        """The topics published since the last call, in their order."""
        topics = [message.topic for message in self.sent]
        self.sent.clear()
        return topics


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(levels) and all(
        part in ("+", level) for part, level in zip(wanted, levels, strict=True)
    )


class Bench:
    """The service with everything around it in memory."""

    def __init__(self, broker: MemoryBroker | None = None, **settings: object) -> None:
        self.gateway = FakeGateway()
        self.broker = broker or MemoryBroker()
        self.clock = FakeClock(NOW_S)
        self.settings = MqttSettings.model_validate({"host": "broker", "commands": True, **settings})
        self.service = MqttService(
            self.gateway,
            self.broker,
            self.settings,
            TOPICS,
            MOST_W,
            self.clock,
            spread=lambda low, high: (low + high) / 2.0,
        )

    def connect(self) -> None:
        """A new connection, and the first turn."""
        self.broker.connect(TOPICS.status)
        self.service.turn()

    def after(self, seconds: float) -> None:
        """One turn, so much later."""
        self.clock.advance(seconds)
        self.service.turn()
