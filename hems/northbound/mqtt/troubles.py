"""What goes wrong with a broker, in one plain line with what to look at. Pure."""

import re

from aiomqtt import MqttError
from aiomqtt.exceptions import MqttConnectError

from adapters.mqtt.broker import BrokerUnavailable

_WRONG_PASSWORD = frozenset({4, 5, 134, 135, 138})
"""Reason codes: bad user name or password, not authorised, banned (MQTT 3.1.1 and 5)."""
_WRONG_VERSION = frozenset({1, 132})


def reason_code(error: BaseException) -> int | None:
    """The reason code with which the broker refused the connection; None for other errors."""
    if not isinstance(error, MqttConnectError):
        return None
    code = getattr(error.rc, "value", error.rc)
    return code if isinstance(code, int) else None


def is_wrong_password(error: BaseException) -> bool:
    """Whether trying again soon is of no use."""
    return reason_code(error) in _WRONG_PASSWORD


def is_wrong_version(error: BaseException) -> bool:
    """Whether the broker does not speak this version of the protocol."""
    return reason_code(error) in _WRONG_VERSION


def explain(error: BaseException) -> str:
    """The cause of a failed or ended connection, without address and without secrets."""
    if is_wrong_password(error):
        return "it refuses the user name or the password; see mqtt.username and mqtt.password_file"
    if isinstance(error, BrokerUnavailable):
        return str(error)
    text = _words(error)
    for pattern, plain in _PLAIN:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return plain.format(*found.groups())
    return text


def _words(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(error, MqttError) and cause is not None and "iteration" in str(error):
        return str(cause)
    return str(error) or type(error).__name__


_PLAIN = (
    (
        r"certificate verify failed: (?:IP address|Hostname) mismatch",
        "its certificate is for another name; see mqtt.host",
    ),
    (r"certificate verify failed: ([^(]+?) ?\(", "its certificate is not trusted ({}); see mqtt.tls.ca_file"),
    (r"wrong_version_number|record layer failure", "it speaks no TLS on this port; see mqtt.port"),
    (r"alert .*certificate|certificate required", "it wants our certificate; see mqtt.tls.key_file"),
    (r"\[SSL[^\]]*\] ([^(]+?) ?\(", "TLS fails ({}); see mqtt.tls"),
    (r"operation timed out|timed out|keep.?alive", "it does not answer"),
    (r"connection refused", "nothing listens there"),
    (r"name or service not known|name resolution|nodename nor", "its name is not known; see mqtt.host"),
    (r"no route to host|network is unreachable", "there is no way to it in the network"),
    (r"session taken over", "another client has our name; two gateways need two values of mqtt.gateway_id"),
    (r"\[code:128\]", "it ended the connection without a reason"),
    (r"\[code:139\]", "it was stopped"),
    (r"unexpected disconnection|\[code:7\]|connection.*lost|not currently connected|reset by peer",
     "the connection is gone"),
)  # fmt: skip
