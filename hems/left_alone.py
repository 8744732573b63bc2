"""What the devices do when the gateway is gone, and what to change where that is too much. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from eebus.usecases.events import StoredFailsafe
from hems.config import Configuration, DeviceSettings
from hems.control.fallbacks import FallbackProof, LeftAlone, prove_fallbacks
from hems.devices import Capabilities, Device, Direction
from hems.limits.reason import watts
from hems.sizes import figures_of, type_plate_setting

_Pair = tuple[DeviceSettings, Capabilities]

_FAILSAFE_SETTING = {
    Direction.CONSUMPTION: "eebus.failsafe.consumption_w",
    Direction.PRODUCTION: "eebus.failsafe.production_w",
}
_DOES = {Direction.CONSUMPTION: "take", Direction.PRODUCTION: "feed in"}


def fallback_proofs(
    configuration: Configuration,
    devices: Sequence[Device],
    written: StoredFailsafe,
    controllable: frozenset[str],
) -> tuple[FallbackProof, ...]:
    """Whether the house stays within its failsafe limits when the gateway dies, one proof a limit.

    `devices`: in the order of the configuration. `written`: what a Steuerbox has written instead.
    """
    failsafe = configuration.eebus.failsafe
    consumption_w = failsafe.consumption_w if written.consumption_w is None else written.consumption_w
    production_w = failsafe.production_w if written.production_w is None else written.production_w
    pairs = [(s, device.capabilities) for s, device in zip(configuration.devices, devices, strict=True)]
    counted = [pair for pair in pairs if pair[0].name in controllable]
    proofs = [_proof(counted, Direction.CONSUMPTION, consumption_w)]
    if production_w is not None:
        feeding = [pair for pair in pairs if pair[1].production is not None]
        proofs.append(_proof(feeding, Direction.PRODUCTION, production_w))
    return tuple(proofs)


def does_alone(settings: DeviceSettings, capabilities: Capabilities, direction: Direction) -> str:
    """What a device does in one direction once it misses the gateway."""
    revert, fallback = figures_of(settings).revert, capabilities.fallback(direction)
    if revert is not None and revert.power_w is None:
        timer = "" if revert.certain else ", where it has a timer for that"
        return f"after {revert.after_s:g} s without the gateway it is free{timer}; {_KEEPS}"
    if revert is not None:
        return f"left alone, it holds {watts(revert.power_w or 0.0)} after {revert.after_s:g} s"
    if fallback is None:
        return "left alone, it keeps its last value"
    return f"left alone, it holds {watts(fallback.power_w)} after {fallback.after_s:g} s"


_KEEPS = "revert_s: 0 keeps the last value"


def freed_feed_in(settings: DeviceSettings, capabilities: Capabilities) -> str:
    """What to know of a device that feeds in freely once it misses the gateway; empty for others."""
    if capabilities.production is None:
        return ""
    figures, fallback = figures_of(settings), capabilities.production_fallback
    happens = "its feed-in is free {:g} s after the gateway dies, also while a limit on feed-in is in force"
    if figures.revert is not None:
        if figures.revert.power_w is not None:
            return ""
        cure = "in its adapter revert_s: 0 keeps the last value, after_revert_w sets one (model 704 only)"
        return f"{settings.name}: {happens.format(figures.revert.after_s)}; {cure}."
    if fallback is None or fallback.power_w < capabilities.nameplate_w:
        return ""
    cure = f"lower {_below_adapter(figures.fallback) or 'its fallback'}"
    return f"{settings.name}: {happens.format(fallback.after_s)}; {cure}."


def _proof(pairs: Sequence[_Pair], direction: Direction, limit_w: float) -> FallbackProof:
    """The proof, with what to change for each device where it fails."""
    alone = [
        LeftAlone(settings.name, capabilities.nameplate_w, capabilities.fallback(direction))
        for settings, capabilities in pairs
    ]
    proof = prove_fallbacks(alone, limit_w, _DOES[direction])
    if proof.holds:
        return proof
    by_name = {settings.name: (settings, capabilities) for settings, capabilities in pairs}
    offenders = [by_name[name] for name in proof.offenders]
    cures = [*_cures(offenders, direction), f"or raise {_FAILSAFE_SETTING[direction]}"]
    text = f"{proof.reason.text}: {'; '.join(cures)}"
    return replace(proof, reason=replace(proof.reason, text=text))


def _cures(offenders: Sequence[_Pair], direction: Direction) -> list[str]:
    found = []
    lower = [_with_fallback(*pair, direction) for pair in offenders if pair[1].fallback(direction)]
    correct = [_without_fallback(*pair) for pair in offenders if not pair[1].fallback(direction)]
    if lower:
        found.append(f"lower the fallback of: {', '.join(lower)}")
    if correct:
        found.append(
            "no fallback of its own, so that the type plate counts (correct it where it is less): "
            f"{', '.join(correct)}"
        )
    return found


def _with_fallback(settings: DeviceSettings, capabilities: Capabilities, direction: Direction) -> str:
    fallback = capabilities.fallback(direction)
    assert fallback is not None, "asked only of devices that have one"
    return _figure(settings.name, fallback.power_w, _below_adapter(figures_of(settings).fallback))


def _without_fallback(settings: DeviceSettings, capabilities: Capabilities) -> str:
    return _figure(settings.name, capabilities.nameplate_w, type_plate_setting(settings, capabilities))


def _figure(name: str, power_w: float, where: str) -> str:
    return f"{name} ({watts(power_w)}{f', {where}' if where else ''})"


def _below_adapter(setting: str) -> str:
    return f"adapter.{setting}" if setting else ""
