"""What the log of the Go side says about messages."""

import re

_NAMES = (
    "connectionHello",
    "messageProtocolHandshake",
    "connectionPinState",
    "accessMethodsRequest",
    "accessMethods",
)


def last_message(log: str) -> str:
    """The message that was sent or received last, in a few words."""
    lines = re.findall(r"TRACE (Send|Recv): \S+ (.*)", log)
    return f"{lines[-1][0]} {_name(lines[-1][1])}" if lines else "nothing yet"


def _name(text: str) -> str:
    if "datagram" in text:
        classifier = re.search(r'"cmdClassifier":"(\w+)"', text)
        functions = re.findall(r'"(\w+)":', text.partition('"cmd":')[2])
        function = next((name for name in functions if name not in {"function", "filter", "cmd"}), "")
        return f"{classifier.group(1) if classifier else ''} {function}".strip()
    return next((name for name in _NAMES if f'"{name}"' in text), text.strip())
