"""Operators for stored files: upload once, share by a link that ends, unshare, delete, download."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.links import GrokPublicLink
from airflow_provider_grok.operators.base import GrokOperator, receipt
from airflow_provider_grok.operators.values import flat, given, in_shape, named, truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_provider_grok.api.call import Flow
    from airflow_provider_grok.flows.files.result_store import StoredResult
    from airflow_provider_grok.flows.purchases.key import Reuse

    Duration = timedelta | float | str

#: Lifetime of a public URL where nobody says otherwise.
LINK_LIFE = timedelta(days=7)


class GrokUploadOperator(GrokOperator):
    """Store files at xAI, each content once; returns the file id, or a list of ids for a list.

    A file is named after its content (`hero.png` becomes `hero.<12 hex of sha256>.png`), so an unchanged file is found
    again instead of sent again (docs.x.ai, Files API; at most 48 MB).

    :param source: path on the worker, object-storage URL that Airflow knows, https URL on an allowed host, or a list.
    :param filename: name to store it under; None: its own. One name for one source.
    :param expires_after: lifetime of the stored file: timedelta, seconds or text of seconds, 1 hour to 30 days; None:
        the connection's default, else no end.
    :param expires_at: its end instead: aware datetime or ISO text.
    :param reuse: `always`: the same content is the same file; `run`: only within the task of this run; `attempt`: the
        same, but clearing the task stores it anew.
    """

    template_fields = (*GrokOperator.template_fields, "source", "filename", "expires_after", "expires_at", "reuse")
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        source: Any,
        filename: str | None = None,
        expires_after: Duration | None = None,
        expires_at: datetime | str | None = None,
        reuse: Reuse = "always",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.filename = filename
        self.expires_after = expires_after
        self.expires_at = expires_at
        self.reuse = reuse

    def execute(self, context: Context) -> Any:
        """Store every source that is not stored yet; what was stored is in XCom before anything can fail."""
        from airflow_provider_grok.flows.files.result_store import StoredResult

        done: list[StoredResult] = []
        reused = True
        with translate_errors():
            sources = self._sources()
            try:
                for source in sources:
                    uploaded = self._upload(context, source)
                    done.append(StoredResult.of_file(uploaded.file))
                    reused = reused and uploaded.reused
            finally:
                rows = [row.row() for row in done]
                request = {"sources": [_shown(source) for source in sources]}
                self.push(context, receipt=receipt(files=rows, request=request, reused=reused))
            return in_shape(self.source, [row.file_id for row in done])

    def _sources(self) -> list[str]:
        from airflow_provider_grok.api.errors import InvalidRequest
        from airflow_provider_grok.flows.files.source import source_text

        sources = [source_text(source) for source in flat(self.source)]
        if not sources:
            raise InvalidRequest(
                f"source={self.source!r} is nothing to upload. Give a path, a URL, or a list of them; a template that "
                "rendered to nothing may name a task or a key that pushed none."
            )
        if given(self.filename) and len(sources) > 1:
            raise InvalidRequest(
                f"filename={self.filename!r} would name {len(sources)} files. Leave it out, or map the task over them."
            )
        return sources

    def _upload(self, context: Context, source: str) -> Any:
        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.files.upload import upload_once
        from airflow_provider_grok.flows.purchases.options import life, reuse_of
        from airflow_provider_grok.hooks.task import task_identity

        seconds = life(self.expires_after, self.expires_at, usual=self.hook.settings.expires_after)
        work = upload_once(
            self.hook.endpoint,
            source,
            task_identity(context),
            filename=named(self.filename),
            expires_after=seconds,
            reuse=reuse_of(self.reuse),
            log=self.log,
            open_storage=self.hook.open_storage,
        )
        return wire.run(self.hook.endpoint, work)


def _shown(source: str) -> str:
    """A source for XCom: the query of a URL may hold a signature."""
    return source.partition("?")[0] if source.startswith(("http://", "https://")) else source


class GrokFileOperator(GrokOperator):
    """An operator that acts on stored files, one after the other.

    :param file: file id, list, nested lists, a mapped task's output, or None.
    """

    template_fields: tuple[str, ...] = (*GrokOperator.template_fields, "file")

    def __init__(self, *, file: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.file = file

    def each(
        self, context: Context, act: Callable[[str], Flow[StoredResult]], done: list[StoredResult], **request: Any
    ) -> list[StoredResult]:
        """Act on every file, over one connection; what was done is in XCom before a failure is raised.

        :param context: the task's context.
        :param act: what to do with a file id; its row goes into the receipt.
        :param done: takes the rows.
        :param request: what the receipt says of the request.
        """
        from airflow_provider_grok.api import files

        ids = [files.check_id(str(file).strip()) for file in flat(self.file)]

        def work() -> Flow[None]:
            for file_id in ids:
                done.append((yield from act(file_id)))

        try:
            self.hook.run(work())
            return done
        finally:
            self.push(context, receipt=receipt(files=[row.row() for row in done], request={"sources": ids, **request}))


class GrokShareOperator(GrokFileOperator):
    """Give files public links that end; returns the link, or a list of links for a list.

    Pushes `review_markdown` too: the pictures with their captions, for a person to look at and say yes, e.g. with
    `ApprovalOperator(body="{{ ti.xcom_pull('share', key='review_markdown') }}")` (docs.x.ai, Files API: public URLs).

    :param file: file id, list, nested lists, a mapped task's output, or None: PNG, JPEG, MP4 or PDF of at most 50 MiB.
    :param captions: for the review: one text for each file; or a dict of file ids and texts; or the receipts of the
        tasks that made the files (`captions=edit.output["receipt"]`), whose prompts and costs are taken. Texts that go
        with file ids do not fail where one of the pictures was taken away by moderation.
    :param expires_after: lifetime of the links: timedelta, seconds or text of seconds, 1 hour to 30 days; the default
        is shortened to the file's own. None: no end.
    :param expires_at: their end instead: aware datetime or ISO text.
    """

    template_fields = (*GrokFileOperator.template_fields, "captions", "expires_after", "expires_at")
    operator_extra_links = (GrokPublicLink(),)
    ui_color = "#fce4d6"

    def __init__(
        self,
        *,
        file: Any,
        captions: Any = None,
        expires_after: Duration | None = LINK_LIFE,
        expires_at: datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(file=file, **kwargs)
        self.captions = captions
        self.expires_after = expires_after
        self.expires_at = expires_at

    def execute(self, context: Context) -> Any:
        """Make the links, one after the other; those that were made are in XCom before anything can fail."""
        from airflow_provider_grok.api.call import Now
        from airflow_provider_grok.flows.files.settle import SETTLING
        from airflow_provider_grok.flows.files.share import share_file
        from airflow_provider_grok.operators.captions import captions_of
        from airflow_provider_grok.operators.review import costs_of, review_markdown

        usual = round(LINK_LIFE.total_seconds())
        until: list[float] = []

        def share(file_id: str) -> Flow[StoredResult]:
            # One minute for all files: a list of files that are gone must not take a minute each.
            until[:] = until or [(yield Now()) + SETTLING]
            return (yield from share_file(file_id, lifetime, usual=usual, log=self.log, until=until[0]))

        with translate_errors():
            lifetime, captions = self._lifetime(), captions_of(self.captions, self.file)
            made: list[StoredResult] = []
            try:
                self.each(context, share, made)
                return in_shape(self.file, [row.public_url for row in made])
            finally:
                self.push(
                    context,
                    public_url=in_shape(self.file, [row.public_url for row in made]),
                    review_markdown=review_markdown(
                        made,
                        [captions.get(row.file_id or "", "") for row in made],
                        self.task_id,
                        costs_of(self.captions),
                    ),
                )

    def _lifetime(self) -> int | None:
        from airflow_provider_grok.flows.purchases import options as terms

        # The default end gives way to an end that was asked for.
        after = None if given(self.expires_at) is not None and self.expires_after == LINK_LIFE else self.expires_after
        return terms.life(after, self.expires_at, what="public link")


class GrokUnshareOperator(GrokFileOperator):
    """Withdraw the public links of files; returns the ids acted on (docs.x.ai, Files API: public URLs).

    :param file: file id, list, nested lists, a mapped task's output, or None.
    """

    ui_color = "#f4cccc"

    def execute(self, context: Context) -> Any:
        """Withdraw the links, one after the other."""
        from airflow_provider_grok.api import files
        from airflow_provider_grok.flows.files.result_store import StoredResult

        def unshare(file_id: str) -> Flow[StoredResult]:
            there = (yield from files.revoke(file_id)).revoked
            self.log.info("%s: %s.", file_id, "its public URL is withdrawn" if there else "it had no public URL")
            return StoredResult(file_id, reason=None if there else "it had no public link")

        with translate_errors():
            return in_shape(self.file, [row.file_id for row in self.each(context, unshare, [])])


class GrokDeleteOperator(GrokFileOperator):
    """Delete stored files, and with them their links; returns the ids acted on.

    A file that is gone already is no error. Uploads named after their content serve other DAGs too, so they stay
    unless `include_uploads` says otherwise (docs.x.ai, Files API: delete).

    :param file: file id, list, nested lists, a mapped task's output, or None.
    :param include_uploads: delete content-addressed uploads too.
    """

    template_fields = (*GrokFileOperator.template_fields, "include_uploads")
    ui_color = "#ea9999"

    def __init__(self, *, file: Any, include_uploads: bool | str = False, **kwargs: Any) -> None:
        super().__init__(file=file, **kwargs)
        self.include_uploads = include_uploads

    def execute(self, context: Context) -> Any:
        """Delete the files, one after the other."""
        with translate_errors():
            every = truth("include_uploads", self.include_uploads)
            acted: list[str] = []
            self.each(context, lambda file_id: self._delete(file_id, every, acted), [])
            return in_shape(self.file, acted)

    def _delete(self, file_id: str, every: bool, acted: list[str]) -> Flow[StoredResult]:
        from dataclasses import replace

        from airflow_provider_grok.api import errors, files
        from airflow_provider_grok.flows.files.result_store import StoredResult
        from airflow_provider_grok.flows.files.upload import is_shared_upload

        row = StoredResult(file_id)
        try:
            file = yield from files.get(file_id)
            row = StoredResult.of_file(file)
            if not every and is_shared_upload(file):
                self.log.warning(
                    "%s (%s) is an upload that other DAGs may use: kept. include_uploads=True deletes.",
                    file_id,
                    file.filename,
                )
                return replace(row, reason="kept: an upload that other DAGs may use (include_uploads=False)")
            yield from files.delete(file_id)
            self.log.info("Deleted %s (%s)%s.", file_id, file.filename, " and its public URL" if row.public_url else "")
            row = replace(row, public_url=None, public_url_expires_at=None)
        except errors.NotFound:
            self.log.info("%s is gone already.", file_id)
            row = StoredResult(file_id, reason="it was gone already")
        acted.append(file_id)
        return row


class GrokDownloadOperator(GrokFileOperator):
    """Write stored files to a path or an object storage, many at a time; returns where they are.

    In a folder files keep their names, and no file that is there is overwritten: where the name is taken by another
    file, the id stands before the ending (`hero.file_0b9d.png`). A full path is overwritten.

    :param file: file id, list, nested lists, a mapped task's output, or None.
    :param destination: path on the worker, object-storage URL, or `ObjectStoragePath`; one that ends in `/` or exists
        as a folder is a folder, and several files need one. Local folders are made, buckets are not.
    :param max_concurrency: how many files at a time.
    """

    template_fields = (*GrokFileOperator.template_fields, "destination", "max_concurrency")
    ui_color = "#d9d2e9"

    def __init__(self, *, file: Any, destination: Any, max_concurrency: int | str = 16, **kwargs: Any) -> None:
        super().__init__(file=file, **kwargs)
        self.destination = destination
        self.max_concurrency = max_concurrency

    def execute(self, context: Context) -> Any:
        """Stream the files; those that were written are in XCom before a failure is raised."""
        import asyncio

        from airflow_provider_grok.api import files, validation
        from airflow_provider_grok.flows.files.destination import destination_text
        from airflow_provider_grok.flows.files.download import download_all

        with translate_errors():
            ids = [files.check_id(str(file).strip()) for file in flat(self.file)]
            destination = destination_text(self.destination, several=len(ids) > 1)
            most = validation.whole(self.max_concurrency, "max_concurrency", 1, 1000)
            self._check_folder(ids, destination)
            outcomes: list[Any] = []
            try:
                work = download_all(
                    self.hook.endpoint, ids, destination, most, open_storage=self.hook.open_storage, log=self.log
                )
                outcomes = asyncio.run(work)
            finally:
                self._push(context, ids, outcomes, destination)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            return in_shape(self.file, [outcome.url for outcome in outcomes])

    def _check_folder(self, ids: list[str], destination: str) -> None:
        from airflow_provider_grok.api.errors import InvalidRequest
        from airflow_provider_grok.flows.files.destination import is_folder

        if len(ids) > 1 and not is_folder(destination):
            raise InvalidRequest(
                f"destination={destination!r} would be overwritten by each of {len(ids)} files. End it in '/'."
            )

    def _push(self, context: Context, ids: list[str], outcomes: list[Any], destination: str) -> None:
        from airflow_provider_grok.flows.files.download import Downloaded
        from airflow_provider_grok.flows.files.result_store import StoredResult

        rows = []
        for file_id, outcome in zip(ids, outcomes, strict=False):
            if isinstance(outcome, Downloaded):
                rows.append({**StoredResult.of_file(outcome.file).row(), "url": outcome.url})
            else:
                self.log.error("%s was not written: %s", file_id, outcome)
                rows.append({**StoredResult(file_id, reason=str(outcome)).row(), "url": None})
        self.push(context, receipt=receipt(files=rows, request={"sources": ids, "destination": destination}))
