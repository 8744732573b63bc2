"""The gateway's own interface for the commands on the same machine: HTTP over a Unix socket.

Only the owner of the data directory reaches the socket (0600 in a folder 0700); that is the access control.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from eebus.errors import LocalError
from eebus.ids import PeerRole, Ski, parse_ski
from hems.northbound.refusal import RequestRefused
from hems.store.errors import StoreError

_GRACE_S = 1
_MAX_ORDERS = 1000
_MOST_W = 1_000_000.0
_ROLES = ", ".join(role.value for role in PeerRole)

Json = Mapping[str, Any]


class GatewayView(Protocol):
    """What the interface shows of the gateway and asks of it."""

    def status(self) -> Json:
        """Limits, states, heartbeat age, devices and reasons."""

    def identity(self) -> Json:
        """SKI, SHIP ID and QR text."""

    def pairing(self) -> Json:
        """Trusted peers and pairing requests."""

    async def orders(self, count: int) -> Sequence[Json]:
        """The newest orders first, at most `count`. Raises RequestRefused."""

    async def accept(self, ski: Ski, role: PeerRole, *, replace: bool) -> None:
        """Trust a peer. Raises RequestRefused."""

    def enter_pin(self, ski: Ski, pin: str) -> None:
        """Give a peer the PIN that it demands. Raises RequestRefused."""

    async def remove(self, ski: Ski) -> None:
        """Trust a peer no longer. Raises RequestRefused."""

    def set_own_limit(self, value_w: float | None, channel: str) -> None:
        """An own limit on consumption; None lifts it. Raises StoreError when it cannot be kept."""

    def pairing_service(self) -> Json:
        """The SHIP Pairing Service; with its secret while it is on."""

    async def switch_pairing_service(self, *, on: bool) -> None:
        """Switch it. Raises RequestRefused."""

    async def factory_reset(self, *, forget_peers: bool) -> None:
        """Forget what the Steuerbox wrote, and whom we trust if asked for. Raises RequestRefused."""


def make_application(gateway: GatewayView) -> Starlette:
    """The interface as an ASGI application."""

    async def status(_request: Request) -> JSONResponse:
        return JSONResponse(gateway.status())

    async def identity(_request: Request) -> JSONResponse:
        return JSONResponse(gateway.identity())

    async def pairing(_request: Request) -> JSONResponse:
        return JSONResponse(gateway.pairing())

    async def orders(request: Request) -> JSONResponse:
        return JSONResponse({"orders": await gateway.orders(_count(request))})

    async def accept(request: Request) -> JSONResponse:
        ski = _ski(request)
        role, replace = await _decision(request)
        await gateway.accept(ski, role, replace=replace)
        return JSONResponse(gateway.pairing())

    async def remove(request: Request) -> JSONResponse:
        await gateway.remove(_ski(request))
        return JSONResponse(gateway.pairing())

    async def enter_pin(request: Request) -> JSONResponse:
        gateway.enter_pin(_ski(request), await _pin(request))
        return JSONResponse(gateway.pairing())

    async def pairing_service(_request: Request) -> JSONResponse:
        return JSONResponse(gateway.pairing_service())

    async def switch_pairing_service(request: Request) -> JSONResponse:
        await gateway.switch_pairing_service(on=await _on(request))
        return JSONResponse(gateway.pairing_service())

    async def factory_reset(request: Request) -> JSONResponse:
        await gateway.factory_reset(forget_peers=await _forget_peers(request))
        return JSONResponse(gateway.status())

    async def own_limit(request: Request) -> JSONResponse:
        value_w = await _own_limit_w(request)
        try:
            gateway.set_own_limit(value_w, "a local command")
        except StoreError as error:
            raise RequestRefused(str(error)) from error
        return JSONResponse({"own_limit_w": value_w})

    return Starlette(
        routes=[
            Route("/own-limit", own_limit, methods=["PUT"]),
            Route("/status", status),
            Route("/identity", identity),
            Route("/pairing", pairing),
            Route("/pairing/{ski}", accept, methods=["POST"]),
            Route("/pairing/{ski}", remove, methods=["DELETE"]),
            Route("/pairing/{ski}/pin", enter_pin, methods=["POST"]),
            Route("/orders", orders),
            Route("/pairing-service", pairing_service),
            Route("/pairing-service", switch_pairing_service, methods=["POST"]),
            Route("/factory-reset", factory_reset, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _explain, RequestRefused: _refuse},
    )


def _ski(request: Request) -> Ski:
    try:
        return parse_ski(request.path_params["ski"])
    except LocalError as error:
        raise HTTPException(400, str(error)) from error


def _count(request: Request) -> int:
    text = request.query_params.get("count", "20")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_ORDERS):
        raise HTTPException(400, f"'count' is a whole number from 1 to {_MAX_ORDERS}")
    return int(text)


async def _decision(request: Request) -> tuple[PeerRole, bool]:
    try:
        body = await request.json()
        return PeerRole(body["role"]), body.get("replace") is True
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HTTPException(400, f"a JSON object with 'role' ({_ROLES}) is needed") from error


async def _on(request: Request) -> bool:
    try:
        on = (await request.json())["on"]
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, "a JSON object with 'on' is needed") from error
    if not isinstance(on, bool):
        raise HTTPException(400, "'on' is true or false")
    return on


async def _pin(request: Request) -> str:
    try:
        return str((await request.json())["pin"])
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, "a JSON object with 'pin' is needed") from error


async def _forget_peers(request: Request) -> bool:
    try:
        body = await request.json()
        forget, confirmed = body.get("forget_peers", False), body.get("confirm")
    except (ValueError, AttributeError) as error:
        raise HTTPException(400, "a JSON object is needed") from error
    if confirmed != "factory-reset" or not isinstance(forget, bool):
        raise HTTPException(
            400, "confirm the reset with 'confirm': 'factory-reset'; 'forget_peers' is optional"
        )
    return forget


async def _own_limit_w(request: Request) -> float | None:
    problem = "a JSON object with 'limit_w' is needed: watts from 0, or null to lift the limit"
    try:
        value = (await request.json())["limit_w"]
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, problem) from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= _MOST_W:
        raise HTTPException(400, problem)
    return float(value)


async def _explain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def _refuse(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=409)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the gateway."""
        yield


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path` for its owner only; callers may connect before it is served.

    The caller holds the lock of the data directory, so a socket that is left there is a dead one.
    """
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        try:
            path.chmod(0o600)
            listener.listen()
            listener.setblocking(False)
            yield listener
        finally:
            path.unlink(missing_ok=True)


async def serve(gateway: GatewayView, listener: socket.socket, stop: asyncio.Event) -> None:
    """Answer on `listener` until `stop` is set; calls in progress get a second to end."""
    server = _Server(
        uvicorn.Config(
            make_application(gateway),
            log_config=None,
            access_log=False,
            lifespan="off",
            http="h11",
            ws="none",
            timeout_graceful_shutdown=_GRACE_S,
        )
    )

    async def watch() -> None:
        await stop.wait()
        server.should_exit = True

    watcher = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()
