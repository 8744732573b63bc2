"""The composition root: opens what is on disk, builds the gateway, runs it, and stops it in a safe order.

Start: hold the data directory, reserve the port, take the identity, let the failsafe limit act, then listen.
Stop: no new connections, SHIP close, last set-points, journal and state to disk.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from adapters.registry import DEFAULT_REGISTRY, Registry
from adapters.settings import SettingsError
from eebus.clock import Clock, SystemClock
from eebus.errors import LocalError
from hems.config import SOCKET_NAME, Configuration
from hems.data_dir import DataDirError, held_data_dir
from hems.eebus_side import reserve_port
from hems.gateway import Observer, RunningGateway
from hems.records import Records
from hems.store.disk import Disk
from hems.store.errors import StoreError
from hems.store.state import StateStore
from hems.supervision import ServiceManager, keep_running
from hems.vault import IdentityError, claim_identity, ship_id_of

_logger = logging.getLogger(__name__)

_FIRST_WRITE_WAIT_S = 0.5
"""How long the sockets wait for the first set-point to leave, so that the failsafe limit comes first."""
_GOODBYE_WAIT_S = 3.0
"""Longest time for the SHIP close before the last set-points are written."""

STARTING_TROUBLES = (DataDirError, IdentityError, StoreError, SettingsError, LocalError, OSError)
"""What keeps a gateway from starting and a person has to put right; each says plainly what it is."""


def run_until_told(configuration: Configuration) -> int:
    """Run the gateway until SIGINT or SIGTERM; returns the exit code of the process."""
    return asyncio.run(_run_until_signal(configuration))


async def _run_until_signal(configuration: Configuration) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    code = 0
    try:
        await run_gateway(configuration, stop)
    except* STARTING_TROUBLES as group:
        code = 1
        for error in group.exceptions:
            _logger.error("%s", error)
    except* Exception:
        code = 1
        _logger.critical("The core of the gateway failed; the process ends", exc_info=True)
    return code


async def run_gateway(
    configuration: Configuration,
    stop: asyncio.Event,
    *,
    registry: Registry = DEFAULT_REGISTRY,
    clock: Clock | None = None,
    observer: Observer = lambda _event: None,
    started: "asyncio.Future[RunningGateway] | None" = None,
) -> None:
    """Run until `stop` is set; `started` gets the gateway as soon as it listens.

    Raises one of STARTING_TROUBLES, or whatever broke in the core.
    """
    time = clock or SystemClock()
    manager = ServiceManager()
    async with _built_gateway(configuration, registry, time, manager, observer) as gateway:
        await gateway.enter_init()
        async with asyncio.TaskGroup() as tasks:
            northbound_stop = asyncio.Event()
            if gateway.broker is not None:
                tasks.create_task(_serve_mqtt(gateway, configuration, time, northbound_stop), name="MQTT")
            _run_control(gateway, time, tasks)
            for name, job in gateway.limit_jobs().items():
                tasks.create_task(keep_running(name, job, clock=time), name=name)
            if configuration.devices:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(gateway.acted.wait(), _FIRST_WRITE_WAIT_S)
            node = tasks.create_task(gateway.node.run(), name="eebus node")
            await gateway.node.listening()
            tasks.create_task(
                _serve_local_api(gateway, configuration, time, northbound_stop), name="local API"
            )
            manager.ready()
            if started is not None:
                started.set_result(gateway)
            await stop.wait()
            _logger.info("The gateway stops")
            manager.stopping()
            gateway.node.stop()
            await asyncio.wait([node], timeout=_GOODBYE_WAIT_S)
            gateway.stop_limits()
            await gateway.control.shutdown()
            northbound_stop.set()
        gateway.stopping()


def _run_control(gateway: RunningGateway, clock: Clock, tasks: asyncio.TaskGroup) -> None:
    for name, job in gateway.control.jobs().items():
        if name == "control":
            tasks.create_task(_complete(job), name=name)
        else:
            tasks.create_task(keep_running(name, job, clock=clock), name=name)


async def _complete(job: Callable[[], Awaitable[None]]) -> None:
    await job()


async def _serve_local_api(
    gateway: RunningGateway, configuration: Configuration, clock: Clock, stop: asyncio.Event
) -> None:
    from hems.northbound.local_api import listening, serve

    async def listen_and_serve() -> None:
        if stop.is_set():
            return
        with listening(configuration.data_dir / SOCKET_NAME) as listener:
            await serve(gateway, listener, stop)

    async def pause(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()

    await keep_running("local API", listen_and_serve, clock=clock, sleep=pause)


async def _serve_mqtt(
    gateway: RunningGateway, configuration: Configuration, clock: Clock, stop: asyncio.Event
) -> None:
    from hems.northbound.mqtt.running import serve_mqtt

    assert gateway.broker is not None
    await serve_mqtt(gateway, gateway.broker, configuration, clock, stop)


@contextlib.asynccontextmanager
async def _built_gateway(
    configuration: Configuration,
    registry: Registry,
    clock: Clock,
    manager: ServiceManager,
    observer: Observer,
) -> AsyncIterator[RunningGateway]:
    """The gateway with everything that it needs open; closed in the opposite order."""
    async with contextlib.AsyncExitStack() as closing:
        closing.enter_context(held_data_dir(configuration.data_dir))
        reserved = closing.enter_context(contextlib.closing(reserve_port(configuration)))
        disk = Disk(clock)
        closing.callback(disk.close)
        state = await StateStore.open(configuration.data_dir, disk, clock)
        closing.push_async_callback(state.close)
        stored = await state.load()
        identity = await claim_identity(state, stored.identity, configuration, clock)
        records = await Records.open(configuration.data_dir, ship_id_of(identity.ski), disk, state)
        closing.push_async_callback(records.close)
        gateway = RunningGateway(
            configuration,
            identity,
            stored,
            records,
            registry=registry,
            clock=clock,
            service_manager=manager,
            observer=observer,
            reserved=reserved,
        )
        closing.push_async_callback(gateway.context.buses.close)
        yield gateway
