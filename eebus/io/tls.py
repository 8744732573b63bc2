"""TLS between nodes that know each other by their public keys only (SHIP 9 and 12.2).

The standard module cannot ask a client for a certificate and accept any. asyncio, however, needs of an
``ssl.SSLContext`` nothing but ``wrap_bio()``: the context made here hands out a session over a pyOpenSSL
memory connection, whose verify callback judges the certificate while the handshake is still running.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from eebus.errors import LocalError, RemoteError
from eebus.ids import Ski
from eebus.ship.identity import Identity, PeerCertificate, check_certificate

_TLS12_SUITES = b"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"
_TLS13_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_CHUNK_BYTES = 65536

Admission = Callable[[PeerCertificate], None]
"""Judges a genuine certificate while the handshake runs; raises RemoteError to refuse it."""

AlertSender = Callable[[bytes], object]
"""Writes to the bare socket; see :meth:`TlsSession.do_handshake`."""


@dataclass(slots=True)
class _Judgement:
    """What the verify callback found out about the peer of one connection."""

    admit: Admission
    certificate_der: bytes | None = None
    peer: PeerCertificate | None = None
    refusal: str = ""

    def judge(self, certificate_der: bytes) -> bool:
        """OpenSSL asks once per remark that it has about a certificate; the answer is found once."""
        if self.certificate_der is None:
            self.certificate_der = certificate_der
            try:
                peer = check_certificate(certificate_der)
                self.admit(peer)
                self.peer = peer
            except RemoteError as error:
                self.refusal = str(error)
        return self.peer is not None and self.certificate_der == certificate_der


def _verify(
    connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, _approved: int
) -> bool:
    """Only the leaf counts: chain, names and dates are never checked (SHIP reference 2.2)."""
    if depth > 0:
        return True
    judgement: _Judgement = connection.get_app_data()
    return judgement.judge(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate))


class TlsSession:
    """The methods of ``ssl.SSLObject`` that asyncio calls, over a pyOpenSSL memory connection."""

    def __init__(
        self,
        connection: SSL.Connection,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        judgement: _Judgement,
        send_alert: AlertSender,
    ) -> None:
        self._connection = connection
        self._incoming = incoming
        self._outgoing = outgoing
        self._judgement = judgement
        self._send_alert = send_alert

    def do_handshake(self) -> None:
        """One step of the handshake. Raises ssl.SSLWantReadError until more bytes are here."""
        self._feed()
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            self._flush()
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "handshake goes on") from None
        except SSL.Error as error:
            # asyncio drops what a failed session still has to say, and the peer would never learn why.
            self._send_alert(self._pending_output())
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, self._judgement.refusal or _describe(error)) from None
        self._flush()
        if self._judgement.peer is None:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "the peer showed no certificate")

    def read(self, size: int, buffer: memoryview | None = None) -> bytes | int:
        """Decrypt up to *size* bytes, into *buffer* when given. Nothing read means: the peer closed."""
        self._feed()
        try:
            if buffer is None:
                return self._connection.recv(size)
            return self._connection.recv_into(buffer, size)
        except SSL.WantReadError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "no whole record yet") from None
        except SSL.ZeroReturnError:
            return b"" if buffer is None else 0
        except SSL.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, _describe(error)) from None
        finally:
            self._flush()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Encrypt *data*; returns how many bytes were taken."""
        try:
            return self._connection.send(data)
        except SSL.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, _describe(error)) from None
        finally:
            self._flush()

    def unwrap(self) -> None:
        """Say goodbye. Raises ssl.SSLWantReadError until the peer did the same."""
        self._feed()
        try:
            finished = self._connection.shutdown()
        except SSL.WantReadError:
            finished = False
        except SSL.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, _describe(error)) from None
        finally:
            self._flush()
        if not finished:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the peer has not said goodbye yet")

    def pending(self) -> int:
        """Decrypted bytes that can be read at once."""
        return self._connection.pending()

    def getpeercert(self, binary_form: bool = False) -> bytes | dict[str, Any] | None:
        """The peer's certificate as DER; the decoded form is never made."""
        return self._judgement.certificate_der if binary_form else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and key size of the suite in use."""
        name, version = self._connection.get_cipher_name(), self._connection.get_protocol_version_name()
        bits = self._connection.get_cipher_bits()
        return None if name is None or bits is None else (name, version, bits)

    def compression(self) -> None:
        """TLS compression is never used."""

    def _feed(self) -> None:
        while data := self._incoming.read(_CHUNK_BYTES):
            self._connection.bio_write(data)

    def _flush(self) -> None:
        self._outgoing.write(self._pending_output())

    def _pending_output(self) -> bytes:
        output = bytearray()
        while True:
            try:
                output += self._connection.bio_read(_CHUNK_BYTES)
            except SSL.WantReadError:
                return bytes(output)


class ConnectionContext(ssl.SSLContext):
    """The context for one connection; pass it as ``ssl=`` to asyncio."""

    _context: SSL.Context
    _judgement: _Judgement
    _send_alert: AlertSender

    @classmethod
    def make(
        cls, context: SSL.Context, admit: Admission, send_alert: AlertSender, *, server_side: bool
    ) -> "ConnectionContext":
        """Bind the OpenSSL context of a node to the judgement and the socket of one connection."""
        made = cls(ssl.PROTOCOL_TLS_SERVER if server_side else ssl.PROTOCOL_TLS_CLIENT)
        made._context = context
        made._judgement = _Judgement(admit)
        made._send_alert = send_alert
        return made

    @property
    def admitted(self) -> PeerCertificate | None:
        """The peer whose certificate was admitted, once it was."""
        return self._judgement.peer

    @property
    def peer(self) -> PeerCertificate:
        """The peer on the other end. Raises LocalError before the handshake is over."""
        if self._judgement.peer is None:
            raise LocalError("the peer is known only after the TLS handshake")
        return self._judgement.peer

    def wrap_bio(  # type: ignore[override]
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,  # noqa: ARG002 - sessions are never resumed
    ) -> TlsSession:
        """What asyncio calls to begin a session."""
        connection = SSL.Connection(self._context, None)
        connection.set_app_data(self._judgement)
        if server_side:
            connection.set_accept_state()
        else:
            connection.set_connect_state()
            if server_hostname:
                name = server_hostname.encode("idna") if isinstance(server_hostname, str) else server_hostname
                connection.set_tlsext_host_name(name)
        return TlsSession(connection, incoming, outgoing, self._judgement, self._send_alert)


class NodeTls:
    """Key and certificate of one node, ready for connections of both directions."""

    def __init__(self, identity: Identity) -> None:
        key = load_pem_private_key(identity.key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise LocalError("a SHIP node needs an elliptic curve key")
        certificate = x509.load_pem_x509_certificate(identity.certificate_pem)
        self._server = _make_context(key, certificate)
        self._client = _make_context(key, certificate)
        # secp256r1 is the one group that every node has: a small hello, and never a second round for it.
        self._client.set_tmp_ecdh(ec.SECP256R1())

    def accepting(self, admit: Admission, send_alert: AlertSender) -> ConnectionContext:
        """The context for one accepted connection."""
        return ConnectionContext.make(self._server, admit, send_alert, server_side=True)

    def dialling(self, expected: Ski | None, admit: Admission, send_alert: AlertSender) -> ConnectionContext:
        """The context for one connection to *expected*; any other SKI is refused inside the handshake.

        None takes whoever answers: for tools that first have to learn whom they reached.
        """

        def admit_expected(peer: PeerCertificate) -> None:
            if expected is not None and peer.ski != expected:
                raise RemoteError(f"the certificate belongs to SKI {peer.ski}, not to {expected},")
            admit(peer)

        return ConnectionContext.make(self._client, admit_expected, send_alert, server_side=False)


def _make_context(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_TLS12_SUITES)
    context.set_tls13_ciphersuites(_TLS13_SUITES)
    context.use_certificate(certificate)
    context.use_privatekey(key)
    context.check_privatekey()
    # Every connection shows its certificate: nothing is resumed.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verify)
    return context


def _describe(error: SSL.Error) -> str:
    """The reason that OpenSSL gives last, in its words."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(reasons[-1][-1]) if reasons else "TLS connection broken"
