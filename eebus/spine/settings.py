"""The figures of the SPINE node, all with visible defaults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpineSettings:
    """Times in seconds, sizes as numbers of things. Sources: SPINE 2.8, 5.8, 10; the bounds are ours."""

    response_delay_s: float = 10.0
    """How long we wait for an answer unless the feature announces its own delay."""

    max_response_delay_s: float = 600.0
    """No announced delay is believed beyond this."""

    discovery_timeout_s: float = 30.0
    """A peer that has not told its tree by then is disconnected."""

    discovery_grace_s: float = 5.0
    """How long a discovered peer may take to ask for our tree before we send requests anyway."""

    retry_delay_s: float = 5.0
    """After this time a refused or unanswered subscription or binding is requested once more."""

    long_retries_s: tuple[float, ...] = (30.0, 300.0, 900.0)
    """A read, subscription or binding that stays unanswered is asked for again after each of these times."""

    close_unanswering_peer: bool = False
    """Close the connection when the last of them was in vain; some devices never answer one certain read."""

    max_relations: int = 256
    """Subscriptions, and likewise bindings, of one peer."""

    max_pending_requests: int = 512
    """Own requests to one peer that wait for answers."""

    max_held_writes: int = 16
    """Writes of one peer that wait until an earlier one has been stored."""

    max_entities: int = 256
    """Entities of one peer; further ones are ignored."""

    max_features: int = 1024
    """Features of one peer; further ones are ignored."""

    max_list_items: int = 4096
    """Items of one function of a peer that we remember."""

    max_remembered_bytes: int = 2 * 1024 * 1024
    """All function data of one peer that we remember, as JSON; the largest known device needs 50 KiB."""


DEFAULT_SETTINGS = SpineSettings()
