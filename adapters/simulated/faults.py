"""How a simulated device can be told to misbehave."""

from enum import StrEnum


class Fault(StrEnum):
    """What a device does wrong while the fault lasts.

    `unreachable`: no answer; behind a gateway, the gateway says so (exception 11). `ignore_writes`: it
    confirms writes and keeps the old value. `no_effect`: it keeps the new value but does not follow it.
    `clip`: it raises low values to a floor of its own. `slow`: it answers after a while. `busy`: it refuses
    for being busy (exception 6). `stuck`: what it shows stands still. `mute`: it hears and obeys, but its
    answers are lost.
    """

    UNREACHABLE = "unreachable"
    IGNORE_WRITES = "ignore_writes"
    NO_EFFECT = "no_effect"
    CLIP = "clip"
    SLOW = "slow"
    BUSY = "busy"
    STUCK = "stuck"
    MUTE = "mute"
