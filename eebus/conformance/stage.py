"""What a case is given: the device, its declarations, and the data set of this run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from eebus.conformance.catalogue import CaseEntry
from eebus.conformance.device import DeviceUnderTest
from eebus.conformance.sheet import Sheet, written
from eebus.conformance.tester.ship import ShipPeer
from eebus.conformance.wire import LPC, LPP, MGCP, MPC, LimitationWire, MonitoringWire
from eebus.errors import LocalError

AS_SERVER: Final = "as server"
AS_CLIENT: Final = "as client"
_LIMITATION: Final[Mapping[str, LimitationWire]] = {"LPC": LPC, "LPP": LPP}
_MONITORING: Final[Mapping[str, MonitoringWire]] = {"MPC": MPC, "MGCP": MGCP}


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of a case."""

    entry: CaseEntry
    dut: DeviceUnderTest
    sheet: Sheet
    data_set: str
    """Which of the data sets of the case this run uses; empty when there is only one."""

    @property
    def limitation(self) -> LimitationWire:
        """The limitation use case of this run; for a SPINE case the declared one, or that of the data set."""
        if self.entry.layer in _LIMITATION:
            return _LIMITATION[self.entry.layer]
        named = next((word for word in self.data_set.split() if word in _LIMITATION), None)
        return _LIMITATION[named or written(self.sheet.section("SPINE")["PAR_limitationUseCase"])]

    @property
    def monitoring(self) -> MonitoringWire:
        """The monitoring use case of the case."""
        return _MONITORING[self.entry.layer]

    def number(self, kind: str) -> int:
        """The number of a value or message in the data set: ``limit_03 MSG_14`` has 3 for ``limit``."""
        for word in self.data_set.split():
            name, _, number = word.rpartition("_")
            if name == kind:
                return int(number)
        raise LocalError(f"{self.entry.id} has no data set for {kind}")

    @property
    def dut_is_server(self) -> bool:
        """Whether the device is the SHIP server in this run; one without a service of its own never is."""
        return self.data_set != AS_CLIENT and self.sheet.says("SHIP", "PAR_shipSvc")

    async def open(self) -> ShipPeer:
        """A new link with nothing said on it; who dials follows from the data set."""
        link = await (self.dut.dial() if self.dut_is_server else self.dut.accept())
        return ShipPeer(link, dut_is_server=self.dut_is_server, version=self.tester_version)

    async def established(self) -> ShipPeer:
        """A new link in data exchange."""
        return await (await self.open()).establish()

    @property
    def tester_version(self) -> tuple[int, int]:
        """The highest SHIP version that the tester announces."""
        return version_of(written(self.sheet.section("SHIP")["PAR_testToolShipVersion"]))


def version_of(text: str) -> tuple[int, int]:
    """``1.0`` as two numbers; a sheet may hold it as a number."""
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)
