"""What is known of each file of a run: who made it from what, and whether a browser may show it now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_grok.ui.media import Kind, MediaHosts, host_of, kind_of
from airflow_provider_grok.ui.receipts import FileRow, Place, Receipt

#: The longest strip of a result's ancestors.
LONGEST_CHAIN = 8
_UNSHARES, _DELETES = "GrokUnshareOperator", "GrokDeleteOperator"
NO_LINK = (
    "No public link. Set share=True on the task, add a GrokShareOperator, or name the connection in "
    "[grok] gallery_preview_conn_ids."
)
PreviewPath = Callable[[Receipt, str], str]


@dataclass(frozen=True)
class Picture:
    """A file as a page shows it.

    :param src: where the browser may load it from; empty if it may not.
    :param link: the public link, where it lives and its host is allowed.
    :param missing: why there is no `src`, in words.
    :param step: what it is in a strip: photo, edit, picture, clip, file.
    """

    name: str
    kind: Kind
    file_id: str = ""
    src: str = ""
    link: str = ""
    missing: str = ""
    step: str = "file"


@dataclass
class Catalog:
    """The files of one run.

    :param now: unix seconds.
    :param hosts: where media may come from.
    :param preview: the address of a preview, or an empty string where that is not allowed.
    """

    now: float
    hosts: MediaHosts
    preview: PreviewPath = lambda receipt, file_id: ""
    rows: dict[str, FileRow] = field(default_factory=dict)
    makers: dict[str, Receipt] = field(default_factory=dict)
    named_by: dict[str, Receipt] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)

    def add(self, receipts: Iterable[Receipt], batches: Mapping[Place, Sequence[FileRow]]) -> None:
        """Take in receipts: later ones know better about links.

        :param receipts: in any order.
        :param batches: the rows of tasks that keep a batch.
        """
        for receipt in sorted(receipts, key=lambda one: one.at):
            for row in batches.get(receipt.place, receipt.files):
                if row.file_id:
                    self._take(receipt, row.file_id, row)

    def _take(self, receipt: Receipt, file_id: str, row: FileRow) -> None:
        if receipt.operator == _DELETES:
            if not row.reason.startswith("kept"):
                self.ended[file_id] = f"Deleted by task {receipt.place.task_id}."
            return
        if receipt.operator == _UNSHARES:
            self._merge(file_id, replace(row, reason=""))
            self.rows[file_id] = replace(self.rows[file_id], public_url=None, public_url_expires_at=None)
            return
        if receipt.makes or receipt.counts:
            self.makers.setdefault(file_id, receipt)
            self.ended.pop(file_id, None)
        # An upload names its file after the task that acts on it; the first is where previews are asked for.
        self.named_by.setdefault(file_id, receipt)
        self._merge(file_id, row)

    def _merge(self, file_id: str, row: FileRow) -> None:
        known = self.rows.get(file_id)
        if known is None:
            self.rows[file_id] = row
        elif row.public_url:
            link, end = row.public_url, row.public_url_expires_at
            self.rows[file_id] = replace(known, public_url=link, public_url_expires_at=end)
        if known is not None and not known.filename and row.filename:
            self.rows[file_id] = replace(self.rows[file_id], filename=row.filename, expires_at=row.expires_at)

    def picture(self, row: FileRow, receipt: Receipt) -> Picture:
        """A result as a page shows it.

        :param row: the result.
        :param receipt: of the task that tells of it.
        """
        file_id = row.file_id or ""
        known = self.rows.get(file_id, row)
        name = known.filename or row.filename or row.request_id or file_id or row.place or "no file"
        kind = kind_of(known.filename or known.public_url or known.place)
        picture = Picture(name, kind, file_id, step=self._step(file_id, receipt, kind))
        if not file_id:
            return replace(picture, missing=row.reason or (f"Kept at {row.place}." if row.place else "No file."))
        if file_id in self.ended:
            return replace(picture, missing=self.ended[file_id])
        if known.expires_at and known.expires_at <= self.now:
            return replace(picture, missing="The file has reached its end and is gone.")
        return self._shown(picture, known, self.named_by.get(file_id, receipt))

    def _shown(self, picture: Picture, known: FileRow, receipt: Receipt) -> Picture:
        why, link = self.link(known)
        if link:
            return replace(picture, src=link if picture.kind != "file" else "", link=link)
        if preview := self.preview(receipt, picture.file_id):
            # What it is, its first bytes will say; names without an ending are most often pictures.
            kind: Kind = "image" if picture.kind == "file" and not known.filename else picture.kind
            return replace(picture, kind=kind, src=preview if kind != "file" else "")
        return replace(picture, missing=why)

    def link(self, row: FileRow) -> tuple[str, str]:
        """Why a public link cannot be used, and the link where it can.

        :param row: the result.
        """
        if not row.public_url:
            return NO_LINK, ""
        if row.public_url_expires_at and row.public_url_expires_at <= self.now:
            return "The public link has ended. Clear the task, or share the file again, for a new one.", ""
        if not self.hosts.allow(row.public_url):
            host = host_of(row.public_url)
            return f"The link leads to {host}, which is not in [grok] gallery_media_hosts.", ""
        return "", row.public_url

    def source(self, named: str, receipt: Receipt) -> Picture:
        """A source as a page shows it.

        :param named: file id or address, from a receipt.
        :param receipt: of the task that used it.
        """
        if "://" not in named:
            row = self.rows.get(named, FileRow(named))
            return self.picture(row, self.named_by.get(named, receipt))
        name, kind = named.rpartition("/")[2] or named, kind_of(named)
        if self.hosts.allow(named) and kind != "file":
            return Picture(name, kind, src=named, link=named, step="photo")
        return Picture(name, kind, missing=f"A source at {host_of(named)}: not shown.", step="photo")

    def chain(self, file_id: str | None) -> tuple[Picture, ...]:
        """A result's ancestors, oldest first, without itself.

        :param file_id: the result.
        """
        found: list[Picture] = []
        seen = {file_id}
        while (maker := self.makers.get(file_id or "")) and maker.sources and len(found) < LONGEST_CHAIN:
            file_id = maker.sources[0]
            if file_id in seen:
                break
            seen.add(file_id)
            found.append(self.source(file_id, maker))
        return tuple(reversed(found))

    def _step(self, file_id: str, receipt: Receipt, kind: Kind) -> str:
        maker = self.makers.get(file_id)
        if kind == "video":
            return "clip"
        if maker:
            return "edit" if maker.sources else "picture"
        return "photo" if kind == "image" or not receipt.makes else "file"
