"""Fault injection: what goes wrong, with which requests, how often."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_grok.sandbox.fault_refusals import REFUSALS

Action = dict[str, Any]
Entries = list[dict[str, Any]]  # the property `list` below hides the type of that name

FIELDS = {"method", "path", "skip", "times", "action", "only"}
WORDS = (bool, str, list)  # all images, all with this text, or only those of these numbers
ACTIONS: dict[str, Any] = {
    "status": int,
    "headers": dict,
    "body": object,
    "drop": str,
    "delay": (int, float),
    "after": bool,
    "truncate": int,
    "moderate": WORDS,
    "fail": str,
    "storage_error": WORDS,
    "public_url_error": WORDS,
    "refuse": str,
    "list_lag": (int, float),
    "not_found_for": (int, float),
    "base64": str,
    "shape": str,
}
SECONDS = ("delay", "list_lag", "not_found_for")
LONGEST = 1e9  # seconds
CHOICES: dict[str, tuple[str, ...]] = {
    "drop": ("before", "after"),  # the work
    "shape": ("object", "text", "top"),  # in which a failed request of a batch is told
    "refuse": tuple(REFUSALS),
}
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


@dataclass
class Fault:
    """One order: after `skip` matching requests, the action applies to the next `times`.

    With `after`, a `status` or a `delay` comes when the work is done already, instead of the work's own answer.
    """

    action: Action
    method: str = "*"
    path: str = "*"
    skip: int = 0
    times: int | None = 1
    only: list[str] | None = None
    hits: int = field(default=0, init=False)

    def matches(self, method: str, path: str) -> bool:
        """Tell whether a request is meant."""
        return self.method in ("*", method) and fnmatchcase(path, self.path)

    def consume(self) -> bool:
        """Count a matching request and tell whether the action applies to it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return the order as the control interface shows it."""
        shown = {name: getattr(self, name) for name in ("method", "path", "skip", "times", "hits", "action")}
        return shown if self.only is None else shown | {"only": self.only}

    @property
    def script(self) -> Action:
        """The action, and with it to which of the requests added to a batch it applies."""
        return self.action if self.only is None else self.action | {"only": self.only}


class Faults:
    """The orders in force. At most one applies to a request: the first that matches and is not used up."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, order: dict[str, Any]) -> dict[str, Any]:
        """Order a fault and return it as it was understood.

        :param order: `method` and `path` (a glob; default any), `skip` (0), `times` (1; None for always), `action`;
            `only`, of the requests added to a batch, those whose id contains one of these texts.
        :raises ValueError: naming what is not understood.
        """
        fault = Fault(**read_order(order))
        with self._lock:
            self._faults.append(fault)
        return fault.as_dict()

    def take(self, method: str, path: str) -> Action:
        """Return the action that applies to a request, and count it; empty if none."""
        with self._lock:
            for fault in self._faults:
                if fault.matches(method, path) and fault.consume():
                    return fault.script
        return {}

    def clear(self) -> None:
        """Withdraw all."""
        with self._lock:
            self._faults.clear()

    @property
    def list(self) -> Entries:
        """All orders, used up ones too (`hits` counts the requests to which it applied)."""
        with self._lock:
            return [fault.as_dict() for fault in self._faults]


def read_order(order: dict[str, Any]) -> dict[str, Any]:
    """Check an order.

    :raises ValueError: naming what is not understood.
    """
    action = order.get("action")
    if not isinstance(action, dict) or not action:
        raise ValueError(f"a fault needs an action, one of {sorted(ACTIONS)}; got {action!r}")
    refuse_unknown("fault", order, FIELDS)
    refuse_unknown("action", action, set(ACTIONS))
    for name, value in action.items():
        if not isinstance(value, ACTIONS[name]):
            raise ValueError(f"action {name!r} does not take {value!r}")
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}, not {value!r}")
        if name in SECONDS and (isinstance(value, bool) or not 0 <= value <= LONGEST):
            raise ValueError(f"{name} is a number of seconds from 0 to {LONGEST:g}, not {value!r}")
    check_answer(action)
    check_aim(order)
    return dict(order)


def check_answer(action: Action) -> None:
    """Check an ordered answer: HTTP must be able to carry it.

    :raises ValueError: naming what it cannot carry.
    """
    if not 200 <= action.get("status", 200) <= 599:
        raise ValueError(f"status is 200 to 599, not {action['status']!r}")
    for name, value in action.get("headers", {}).items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(str(value)):
            raise ValueError(f"HTTP cannot carry the header {name!r}: {value!r}")
    if "base64" in action:
        base64.b64decode(action["base64"], validate=True)


def check_aim(order: dict[str, Any]) -> None:
    """Check which requests an order means.

    :raises ValueError: naming what is not understood.
    """
    for name in ("method", "path"):
        if not isinstance(order.get(name, ""), str):
            raise ValueError(f"{name} is a text, not {order[name]!r}")
    for name in ("skip", "times"):
        count = order.get(name, 0)
        if not (isinstance(count, int) or (name == "times" and count is None)):
            raise ValueError(f"{name} is a whole number, not {count!r}")
    only = order.get("only")
    if only is not None and not (isinstance(only, list) and all(isinstance(part, str) for part in only)):
        raise ValueError(f"only is a list of texts, not {only!r}")


def refuse_unknown(what: str, given: dict[str, Any], known: set[str]) -> None:
    """Refuse names that mean nothing here.

    :raises ValueError: naming them and the known ones.
    """
    unknown_fields = sorted(set(given) - known)
    if unknown_fields:
        raise ValueError(f"unknown in a {what}: {', '.join(unknown_fields)}; known are {', '.join(sorted(known))}")


def applies_to_image(value: Any, index: int) -> bool:
    """Tell whether a switch such as `storage_error` means the image of this number.

    :param value: True or a text for all images, or a list of numbers.
    """
    return index in value if isinstance(value, list) else bool(value)
