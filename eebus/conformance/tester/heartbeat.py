"""The tester's heartbeat: sent when a case says so, to whoever subscribed to it."""

from typing import Final

from eebus.conformance.tester.spine import SpinePeer
from eebus.conformance.wire import HEARTBEAT
from eebus.spine.datagram import command_for
from eebus.spine.device import READ, LocalEntity, LocalFeature
from eebus.spine.model.common import Classifier, FeatureAddress
from eebus.spine.model.device import DeviceDiagnosisHeartbeatData

BACKGROUND_S: Final = 30.0
"""Interval of heartbeats that run in the background."""


class TesterHeartbeat:
    """One heartbeat server of the tester. Nothing can be read from it before the first beat."""

    def __init__(self, peer: SpinePeer, feature: LocalFeature) -> None:
        self.feature = feature
        self._peer = peer
        self._counter = 0

    @property
    def listeners(self) -> list[FeatureAddress]:
        """Who subscribed to it."""
        return self._peer.subscribers(self.feature.address)

    async def beat(self, *, ack: bool | None = None) -> list[int]:
        """Notify all listeners. Returns the message counters."""
        self._counter += 1
        moment = self._peer.dut.utc_now()
        data = DeviceDiagnosisHeartbeatData(
            timestamp=moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z",
            heartbeat_counter=self._counter,
            heartbeat_timeout="PT120S",
        )
        self.feature.preset(data)
        return [
            await self._peer.send(
                Classifier.NOTIFY,
                command_for(data),
                source=self.feature.address,
                destination=listener,
                ack=ack,
            )
            for listener in self.listeners
        ]

    def run_in_background(self) -> None:
        """Beat now and from now on while a case waits."""

        async def beat() -> None:
            await self.beat()

        self._peer.repeat(BACKGROUND_S, beat)


def add_heartbeat(entity: LocalEntity) -> LocalFeature:
    """A heartbeat server on an entity of the tester."""
    return entity.add_feature("DeviceDiagnosis", "server", {HEARTBEAT: READ})


def heartbeat_times(peer: SpinePeer) -> list[float]:
    """When heartbeats of the device arrived."""
    return [
        incoming.at
        for incoming in peer.received
        if isinstance(incoming.data, DeviceDiagnosisHeartbeatData)
        and incoming.header.cmd_classifier == Classifier.NOTIFY
    ]
