"""On which phases a device draws: as the configuration lists them, else as far as the device tells. Pure."""

from hems.config import DeviceSettings
from hems.devices import Capabilities

_ALL = (1, 2, 3)


def phases_of(settings: DeviceSettings, capabilities: Capabilities) -> tuple[int, ...]:
    """Its phases, the one first that it runs on alone. Where nobody knows how many, it spreads evenly."""
    if settings.phases is not None:
        return settings.phases
    return _ALL[: capabilities.phases]


def is_assumed(settings: DeviceSettings, capabilities: Capabilities) -> bool:
    """Whether nobody has told which of the three phases it is on."""
    return settings.phases is None and capabilities.phases == 1


def wrong_phases(settings: DeviceSettings, capabilities: Capabilities) -> tuple[str, str] | None:
    """What is wrong with the phases that the configuration lists for it, and what would be right."""
    listed, wired = settings.phases, capabilities.phases
    if listed is None:
        return None
    if len(set(listed)) < len(listed):
        return "a phase is listed twice", "List each phase once"
    if wired is None or len(listed) == wired:
        return None
    if wired == 1:
        return (
            f"lists {len(listed)} phases, but by its adapter the device runs on one",
            "List the one that it is on, such as [1], or set adapter.params.phases to 3",
        )
    return (
        f"lists {_many(len(listed))}, but by its adapter the device runs on {wired}",
        "List all of them, such as [1, 2, 3], first the one that it uses alone if it switches; or set "
        "adapter.params.phases to 1",
    )


def _many(phases: int) -> str:
    return "one phase" if phases == 1 else f"{phases} phases"
