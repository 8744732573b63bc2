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
from eebus.io.node import NodeSettings
from eebus.io.recorder import FrameRecorder
from eebus.simulator.control_box import BoxSettings, ControlBoxSimulator
from eebus.simulator.faults import FAULTS
from eebus.simulator.identity_folder import identity_in
from hems.cli.options import CommandFailed
from hems.cli.steuerbox.console import JsonVoice, Voice, converse
from hems.cli.steuerbox.desk import Desk
from hems.cli.steuerbox.language import Misunderstood, Pair, parse_command
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
    except (ConfigError, Misunderstood) as error:
        raise click.UsageError(str(error)) from error
    if unknown := [name for name in options["faults"] if name not in FAULTS or not FAULTS[name].lasting]:
        raise click.UsageError(f"'{unknown[0]}' is no lasting fault; `faults` lists them")
    try:
        with _recording(options["record"]) as recorder:
            return asyncio.run(_run(options, scenario, named, recorder))
    except (LocalError, OSError) as error:
        raise CommandFailed(str(error)) from error
    except KeyboardInterrupt:
        return 0


def _partner(text: str) -> Pair:
    ski, _, place = text.partition("@")
    command = parse_command(f"pair {ski} {place}")
    assert isinstance(command, Pair)
    return command


@contextlib.contextmanager
def _recording(path: Path | None) -> Iterator[FrameRecorder | None]:
    if path is None:
        yield None
        return
    with path.open("w", encoding="utf-8") as file:
        yield FrameRecorder(file, "steuerbox", SystemClock())


async def _run(
    options: Mapping[str, Any], scenario: Scenario | None, named: list[Pair], recorder: FrameRecorder | None
) -> int:
    clock, teller = SystemClock(), Teller()
    voice = JsonVoice() if options["json_lines"] else Voice()
    folder: Path = options["folder"]
    identity = identity_in(folder, f"Steuerbox {options['serial']}", clock.utc_now())
    book = PartnerBook(folder)
    for partner in named:
        book.keep(parse_ski(partner.ski), partner.host, partner.port)

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
    for name in options["faults"]:
        box.fault(name)
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
