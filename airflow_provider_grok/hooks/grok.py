"""The hook: an Airflow connection `grok`, with plain names for use in a `@task`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_grok.api.request_fields import EDIT_IMAGE, GENERATE_IMAGE, GENERATE_VIDEO
from airflow_provider_grok.hooks.base import BaseGrokHook

if TYPE_CHECKING:
    from airflow_provider_grok.api.files import File
    from airflow_provider_grok.flows.purchases.claims import Claims
    from airflow_provider_grok.flows.purchases.orphans import Orphan

#: Options of a purchase; all others are fields of the request.
TERMS = frozenset(
    {"key", "reuse", "filename", "expires_after", "expires_at", "share", "max_cost_usd", "timeout", "poll_interval"}
)


class GrokHook(BaseGrokHook):
    """Use a connection to xAI from a `@task`: `run` and `buy` for everything, and plain names for what is common.

    :param grok_conn_id: the Airflow connection: password = API key, host = base URL.
    """

    def upload(
        self, source: Any, *, filename: str | None = None, expires_after: Any = None, expires_at: Any = None
    ) -> str:
        """Store a file once, and return its id; the same content is not stored twice.

        :param source: local path, object-storage URL or `ObjectStoragePath`, or https URL on an allowed host.
        :param filename: name to store it under; None: its own.
        :param expires_after: its lifetime: timedelta, seconds or text of seconds, 1 hour to 30 days.
        :param expires_at: its end instead: aware datetime or ISO text.
        """
        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.files.upload import upload_once
        from airflow_provider_grok.flows.purchases.options import life
        from airflow_provider_grok.hooks.task import current_task

        work = upload_once(
            self.endpoint,
            source,
            current_task(),
            filename=filename,
            expires_after=life(expires_after, expires_at, usual=self.settings.expires_after),
            log=self.log,
            open_storage=self.open_storage,
        )
        return wire.run(self.endpoint, work).file.id

    def share(self, file: str, *, expires_after: Any = timedelta(days=7), expires_at: Any = None) -> str:
        """Give a file a public link, and return it.

        :param file: file id.
        :param expires_after: lifetime of the link: timedelta, seconds or text; the default is shortened to the file's
            own. None: as long as the file's.
        :param expires_at: its end instead: aware datetime or ISO text.
        :raises InvalidRequest: for a link that would outlive its file, or a kind of file that is not shared.
        """
        from airflow_provider_grok.flows.files.share import share_file
        from airflow_provider_grok.flows.purchases.options import LINK_LIFE, life

        after = None if expires_at is not None and expires_after == timedelta(days=7) else expires_after
        seconds = life(after, expires_at, what="public link")
        return str(self.run(share_file(file, seconds, usual=LINK_LIFE, log=self.log)).public_url)

    def unshare(self, file: str) -> bool:
        """Withdraw a file's public link; says whether there was one.

        :param file: file id.
        """
        from airflow_provider_grok.api import files

        revoked = self.run(files.revoke(file)).revoked
        self.log.info("%s: %s.", file, "its public URL is withdrawn" if revoked else "it had no public URL")
        return revoked

    def delete(self, file: str) -> None:
        """Delete a file, and with it its public link; one that is gone already is no error.

        :param file: file id.
        """
        from airflow_provider_grok.api import errors, files

        try:
            self.run(files.delete(file))
            self.log.info("Deleted %s.", file)
        except errors.NotFound:
            self.log.info("%s is gone already.", file)

    def download(self, file: str, destination: Any) -> str:
        """Write a file's bytes to a path or object-storage URL, and return where they are.

        :param file: file id.
        :param destination: path, object-storage URL or `ObjectStoragePath`; in a folder the file keeps its name, and
            no other file is overwritten.
        """
        from airflow_provider_grok.api import wire
        from airflow_provider_grok.flows.files.destination import destination_text
        from airflow_provider_grok.flows.files.download import download_to

        target = destination_text(destination)
        work = download_to(file, target, open_storage=self.open_storage, log=self.log)
        return wire.run(self.endpoint, work).url

    def list_files(
        self,
        filter: str | None = None,
        older_than: timedelta | None = None,
        shared: bool | None = None,
        limit: int | None = None,
    ) -> list[File]:
        """List the team's files, newest first.

        :param filter: AIP-160 expression, such as `name = "hero"`.
        :param older_than: only files made longer ago than this.
        :param shared: only files with (True) or without (False) a public link.
        :param limit: how many at the most; None: all.
        """
        from airflow_provider_grok.api import files

        alone = older_than is None and shared is None
        terms = [filter if alone else f"({filter})"] if filter else []
        if older_than is not None:
            import pendulum

            terms.append(f'created_at < "{(pendulum.now("UTC") - older_than).strftime("%Y-%m-%dT%H:%M:%SZ")}"')
        if shared is not None:
            terms.append("public_url != null" if shared else "public_url = null")
        return self.run(files.listing(filter=" AND ".join(terms) or None, limit=limit))

    def orphans(self, claimed: Claims | Iterable[str] | None = None, *, older_than: float = 86_400) -> list[Orphan]:
        """List stored files and batches that bear a purchase's token and that nobody claims, oldest first.

        What tasks have is in Airflow's metadata database, which a task cannot read: the command
        `airflow-grok orphans` does, and calls this.

        :param claimed: what is not to be listed: claims, or ids of files and batches.
        :param older_than: seconds; what is younger may still be on its way into a record.
        """
        from airflow_provider_grok.flows.purchases import orphans
        from airflow_provider_grok.flows.purchases.claims import Claims

        return self.run(orphans.listing(Claims.of(claimed), older_than))

    def edit(self, prompt: str, image: str | None = None, images: list[str] | None = None, **options: Any) -> Any:
        """Edit a stored picture, and return the result's file id (a list if `n` is given).

        :param prompt: what to change.
        :param image: the source: file id or https URL.
        :param images: two to five sources instead.
        :param options: fields of the request (`model`, `n`, `resolution`, ...) with the operator's defaults, and
            options of `buy`.
        """
        from airflow_provider_grok.api import images as api

        fields, terms = _split(options, api.edit_body, EDIT_IMAGE)
        bought = self.buy(api.edit(api.edit_body(prompt=prompt, image=image, images=images, **fields)), **terms)
        return bought.file_ids if "n" in options else bought.file_ids[0]

    def generate(self, prompt: str, **options: Any) -> Any:
        """Make a picture from words, and return its file id (a list if `n` is given).

        :param prompt: what to show.
        :param options: fields of the request (`model`, `n`, `resolution`, ...) with the operator's defaults, and
            options of `buy`.
        """
        from airflow_provider_grok.api import images as api

        fields, terms = _split(options, api.generation_body, GENERATE_IMAGE)
        bought = self.buy(api.generate(api.generation_body(prompt=prompt, **fields)), **terms)
        return bought.file_ids if "n" in options else bought.file_ids[0]

    def video(self, prompt: str | None = None, image: str | None = None, **options: Any) -> str:
        """Make a video from words or a stored picture, and return its file id.

        :param prompt: what happens; needed unless there is a picture to start from.
        :param image: first frame: file id or https URL.
        :param options: fields of the request (`model`, `duration`, `resolution`, ...) with the operator's defaults,
            and options of `buy`.
        """
        from airflow_provider_grok.api import videos as api

        fields, terms = _split(options, api.generation_body, GENERATE_VIDEO)
        return self.buy(api.generate(api.generation_body(prompt=prompt, image=image, **fields)), **terms).file_ids[0]


def _split(
    options: Mapping[str, Any], body: Callable[..., Any], defaults: NamedTuple
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a request over their defaults, and options of its purchase.

    :param options: both, by name.
    :param body: makes the request's body; its parameters are the fields that there are.
    :param defaults: what the operator says where its caller says nothing.
    :raises InvalidRequest: for an option that is neither.
    """
    import inspect

    from airflow_provider_grok.api import errors

    known = inspect.signature(body).parameters.keys()
    if unknown := options.keys() - known - TERMS:
        raise errors.InvalidRequest(
            f"{sorted(unknown)} are no fields of the request, and no options of a purchase. New fields of the API go "
            "into params={...}."
        )
    usual = {name: value for name, value in defaults._asdict().items() if value is not None}
    fields = usual | {name: value for name, value in options.items() if name in known}
    return fields, {name: value for name, value in options.items() if name in TERMS}
