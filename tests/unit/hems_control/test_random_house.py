"""Whatever happens in a house: devices that obey never draw more than the strictest recent limit."""

import asyncio
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from hems.control.runner import LONGEST_PAUSE_S
from hems.devices import Direction
from tests.unit.hems_control.house import House, SimulatedDevice, heat_pump, running, wallbox
from tests.unit.hems_control.virtual_time import run

UNSEEN_W = 3 * 50.0
"""What three devices may draw above their set-points before anybody can tell it from noise."""
SETTLED_S = 5.0
"""Time in which a reduction must have taken effect, slow answers included."""

events = st.lists(
    st.tuples(
        st.sampled_from(["limit", "first", "second", "third", "slow", "reboot", "unplug"]),
        st.floats(0.0, 12000.0),
        st.floats(0.5, 15.0),
    ),
    min_size=1,
    max_size=12,
)


def act(house: House, what: str, value: float) -> None:
    """One event of the day."""
    names = list(house.devices)
    if what == "limit":
        house.limit(value)
    elif what == "slow":
        house.devices[names[int(value) % 3]].answers_after_s = value / 12000.0
    elif what == "reboot":
        house.devices[names[int(value) % 3]].held[Direction.CONSUMPTION] = None
    elif what == "unplug":
        device = house.devices[names[int(value) % 3]]
        device.reachable = not device.reachable
    else:
        house.devices[what].wanted_w = value


@settings(max_examples=20, deadline=None)
@given(events)
def test_devices_that_obey_stay_within_the_limit(schedule: list[tuple[str, float, float]]) -> None:
    async def scenario() -> None:
        house = House(
            [
                SimulatedDevice("first", wallbox(), wanted_w=11040.0),
                SimulatedDevice("second", heat_pump(), wanted_w=8000.0),
                SimulatedDevice("third", wallbox(reaction_s=2.0), wanted_w=11040.0),
            ]
        )
        limit_w = 6000.0
        house.limit(limit_w)
        async with running(house):
            await asyncio.sleep(SETTLED_S)
            recent: deque[float] = deque([limit_w], maxlen=round(SETTLED_S * 10))
            upset_until_s = 0.0
            for what, value, wait_s in schedule:
                act(house, what, value)
                now = asyncio.get_running_loop().time()
                if what == "limit":
                    limit_w = value
                elif what == "reboot":
                    upset_until_s = max(upset_until_s, now + SETTLED_S)
                elif what == "unplug":
                    upset_until_s = max(upset_until_s, now + LONGEST_PAUSE_S + SETTLED_S)
                for _ in range(round(wait_s * 10)):
                    await asyncio.sleep(0.1)
                    recent.append(limit_w)
                    unplugged = not all(d.reachable for d in house.devices.values())
                    if asyncio.get_running_loop().time() >= upset_until_s and not unplugged:
                        assert house.drawn_w() <= max(recent) + UNSEEN_W

    run(scenario())
