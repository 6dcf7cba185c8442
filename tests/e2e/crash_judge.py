"""What a killed run came to: finished, charged once for each asset, every asset stored, and known by its id."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_grok.api import files, wire
from airflow_provider_grok.api.endpoint import Endpoint

from .crash_cases import ASSETS, CHARGES, Case
from .live import LiveAirflow
from .sandbox import SandboxProcess

_PAID = r"/v1/(images|videos)/(edits|generations|extensions)"


@dataclass(frozen=True)
class Outcome:
    """What one case came to.

    :param state: how its run ended; None: it did not
    :param kills: how many kills came
    :param charges: what was billed for it
    :param assets: the stored files it made
    :param known: those of them that Airflow knows the ids of
    """

    case: Case
    state: str | None
    kills: int
    charges: int
    assets: int
    known: int

    @property
    def double(self) -> bool:
        """Whether something was paid for, or stored, more than once."""
        return self.charges > CHARGES[self.case.kind] or self.assets > ASSETS[self.case.kind]

    @property
    def lost(self) -> bool:
        """Whether the task failed, something is missing, or something is stored that nobody knows of."""
        return self.state == "failed" or (self.state == "success" and self.known < ASSETS[self.case.kind])

    @property
    def hung(self) -> bool:
        """Whether the run did not end in time, or never got as far as its death."""
        return self.state is None or self.kills < len(self.case.marks)

    @property
    def verdict(self) -> str:
        """All that is wrong with it, or `ok`."""
        wrong = {"DOUBLE": self.double, "LOST": self.lost, "HUNG": self.state is None}
        wrong["NOT KILLED"] = self.kills < len(self.case.marks)
        return ", ".join(word for word, holds in wrong.items() if holds) or "ok"


class Books:
    """What one sandbox billed and stored, taken down once for many cases.

    :param sandbox: the sandbox; its clock is moved on, so that whatever still runs there ends
    :param key: its API key
    """

    def __init__(self, sandbox: SandboxProcess, key: str) -> None:
        sandbox.advance(600)
        # A request of a batch is billed under its own id, anything else under one that the server made up.
        self._billed = Counter(str(charge["id"]) for charge in sandbox.charges())
        self.stored = wire.run(Endpoint(base_url=sandbox.url, key=key), files.listing())
        self._journal = [entry for entry in sandbox.requests("POST") if entry["status"] == 200]
        self._paid = [entry for entry in self._journal if re.fullmatch(_PAID, entry["path"])]

    def files(self, case: Case) -> dict[str, str]:
        """The stored files of a case, id to name."""
        return {file.id: file.filename for file in self.stored if file.filename.startswith(f"{case.name}.")}

    def charges(self, case: Case) -> int:
        """What was billed for a case: requests taken, or requests of batches done."""
        if case.kind in ("batch", "parts", "persist"):
            return sum(count for id, count in self._billed.items() if id.startswith(f"{case.name}-"))
        if case.kind == "upload":
            return len(self.files(case))
        return sum(_name(entry).startswith(f"{case.name}.") for entry in self._paid)

    def batches(self, case: Case) -> int:
        """How many batches were made for a case."""
        made = (str(entry["json"]["name"]) for entry in self._journal if entry["path"] == "/v1/batches")
        return sum(name.startswith(f"{case.name}.") for name in made)

    @property
    def unexplained(self) -> int:
        """Charges that belong to no request of the journal: none, if it is to be trusted."""
        single = sum(count for id, count in self._billed.items() if not _of_batch(id))
        return single - len(self._paid)


def judge(airflow: LiveAirflow, books: Books, case: Case, state: str | None, kills: int) -> Outcome:
    """Compare what Airflow knows with what was billed and stored.

    :param state: how its run ended; None: it did not
    :param kills: how many kills came
    """
    stored = books.files(case)
    manifests = [id for id, name in stored.items() if ".manifest." in name]
    # Where the rows of a list lie is no result.
    assets = {id: name for id, name in stored.items() if id not in manifests and ".placement." not in name}
    known = _ids(airflow.xcom(case.dag_id, case.name, "work"))
    if case.kind in ("batch", "parts"):
        # The task returns the batch; its results are found by their names, one for each request.
        known = list({name.split(".")[2]: id for id, name in assets.items()}.values())
    # More than one batch, or more than one manifest, is more than was asked for, even where it costs nothing.
    due = 2 if case.kind == "parts" else 1
    extra = max(0, len(manifests) - 1) + max(0, books.batches(case) - due)
    if case.kind == "persist" and not _in_order(case, [assets.get(id, "") for id in known]):
        known = []
    return Outcome(case, state, kills, books.charges(case), len(assets) + extra, len(set(known) & assets.keys()))


def table(outcomes: Sequence[Outcome]) -> str:
    """One line for each kind and point: cycles, charges, assets, verdict."""
    rows = [("kind", "deferrable", "point of death", "cycles", "charges", "assets", "verdict")]
    for row in sorted({outcome.case.row for outcome in outcomes}):
        found = [outcome for outcome in outcomes if outcome.case.row == row]
        due = len(found) * CHARGES[row[0]], len(found) * ASSETS[row[0]]
        charges, assets = sum(one.charges for one in found), sum(one.assets for one in found)
        verdicts = Counter(one.verdict for one in found)
        words = "ok" if set(verdicts) == {"ok"} else "; ".join(f"{n} x {word}" for word, n in verdicts.items())
        how = "yes" if row[1] else "no"
        rows.append((row[0], how, row[2], str(len(found)), f"{charges}/{due[0]}", f"{assets}/{due[1]}", words))
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def summary(outcomes: Iterable[Outcome]) -> str:
    """The last line."""
    every = list(outcomes)
    count = {name: sum(getattr(one, name) for one in every) for name in ("kills", "double", "lost", "hung")}
    return f"kills={count['kills']} double={count['double']} lost={count['lost']} hung={count['hung']}"


def _name(entry: dict[str, Any]) -> str:
    return str((entry["json"].get("storage_options") or {}).get("filename", ""))


def _of_batch(id: str) -> bool:
    return id.startswith(("batch-", "parts-", "persist-"))


def _ids(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _in_order(case: Case, names: Sequence[str]) -> bool:
    return [name.split(".")[2:3] for name in names] == [[f"{case.name}-{n}"] for n in range(ASSETS["persist"])]
