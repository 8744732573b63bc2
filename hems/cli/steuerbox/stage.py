"""Sets up a simulated Steuerbox and lets a person or a scenario drive it."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from eebus.clock import SystemClock
from eebus.errors import LocalError
from eebus.ids import parse_ski
from eebus.io.addresses import PeerAddress
from eebus.io.node import NodeSettings
from eebus.io.recorder import FrameRecorder
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from eebus.simulator.faults import FAULTS
from eebus.simulator.identity_folder import identity_in
from hems.cli.options import CommandFailed
from hems.cli.steuerbox.console import JsonVoice, Voice, converse
from hems.cli.steuerbox.desk import Desk
from hems.cli.steuerbox.folder import held_folder
from hems.cli.steuerbox.language import Fault, Misunderstood, parse_command, parse_partner
from hems.cli.steuerbox.partners import PartnerBook
from hems.cli.steuerbox.player import play
from hems.cli.steuerbox.scenario import Scenario, load_scenario
from hems.cli.steuerbox.telling import Teller
from hems.config.mistakes import ConfigError


def perform(options: Mapping[str, Any]) -> int:
    """Run until told to stop; returns the exit code. Raises CommandFailed when it cannot begin."""
    logging.basicConfig(level=options["log"].upper(), format="%(asctime)s %(levelname)s %(message)s")
    try:
        scenario = load_scenario(options["scenario"]) if options["scenario"] else None
        named = [_partner(text) for text in options["partners"]]
        faults = [_fault(text) for text in options["faults"]]
    except (ConfigError, LocalError, Misunderstood) as error:
        raise click.UsageError(str(error)) from error
    try:
        with held_folder(options["folder"]), _recording(options["record"]) as recorder:
            return asyncio.run(_run(options, scenario, named, faults, recorder))
    except (LocalError, OSError) as error:
        raise CommandFailed(str(error)) from error
    except KeyboardInterrupt:
        return 0


def _partner(text: str) -> PeerAddress:
    """Without a host it is trusted and not dialled."""
    partner = parse_partner(text)
    return PeerAddress(parse_ski(partner.ski), partner.host, partner.port)


def _fault(text: str) -> Fault:
    command = parse_command(f"fault {text}")
    assert isinstance(command, Fault)
    if not FAULTS[command.name].lasting:
        raise Misunderstood(f"'{command.name}' is no lasting fault; type it when it is to happen")
    return command


@contextlib.contextmanager
def _recording(path: Path | None) -> Iterator[FrameRecorder | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"The recording {path} cannot be written: {error.strerror}.") from error
    with file:
        yield FrameRecorder(file, "steuerbox", SystemClock())


async def _run(
    options: Mapping[str, Any],
    scenario: Scenario | None,
    named: list[PeerAddress],
    faults: list[Fault],
    recorder: FrameRecorder | None,
) -> int:
    clock, teller = SystemClock(), Teller()
    voice = JsonVoice() if options["json_lines"] else Voice()
    folder: Path = options["folder"]
    identity = identity_in(folder, f"Steuerbox {options['serial']}", clock.utc_now())
    book = PartnerBook(folder)
    for partner in named:
        book.keep(partner.ski, partner.host, partner.port)

    def tell(event: object) -> None:
        for line in teller.lines(event):
            voice.say(line)

    box = ControlBoxSimulator(
        identity,
        _settings(options, book),
        clock=clock,
        on_event=tell,
        trust=book.trust(clock.utc_now()),
        recorder=recorder,
    )
    if recorder is not None:
        recorder.header(
            what="messages of a simulated Steuerbox",
            at=clock.utc_now().isoformat(timespec="seconds"),
            ski={"steuerbox": identity.ski},
        )
    for fault in faults:
        box.fault(fault.name, seconds=fault.seconds)
    async with box.running() as port:
        voice.introduce(identity.ski, box.node.snapshot().ship_id, port)
        desk = Desk(box, book, teller, recorder.note if recorder else lambda _text: None)
        return await _drive(desk, voice, scenario)


async def _drive(desk: Desk, voice: Voice, scenario: Scenario | None) -> int:
    """Until the end of the scenario or of the input, or a signal."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    work: asyncio.Task[Any] = asyncio.create_task(
        converse(desk, voice) if scenario is None else play(scenario, desk, voice.say)
    )
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not work.done():
        work.cancel()
        return 0 if scenario is None else 1
    return 1 if work.result() is False else 0


def _settings(options: Mapping[str, Any], book: PartnerBook) -> BoxSettings:
    return BoxSettings(
        serial=options["serial"],
        node=NodeSettings(
            host=options["host"],
            port=options["port"],
            announce=options["mdns"],
            discover=options["mdns"],
            interfaces=tuple(options["interfaces"]),
            peers=book.addresses,
        ),
        heartbeat_interval_s=options["heartbeat_s"],
        opening_write=options["opening_write"],
    )
