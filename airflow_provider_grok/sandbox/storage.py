"""`storage_options` and `file_output`: results that the API keeps as files (docs.x.ai, Imagine, storage)."""

from __future__ import annotations

from typing import Any

from airflow_provider_grok.sandbox import files, public_urls, visibility
from airflow_provider_grok.sandbox.backend import Backend, as_switch
from airflow_provider_grok.sandbox.bodies import Body
from airflow_provider_grok.sandbox.errors import Refusal, invalid
from airflow_provider_grok.sandbox.faults import applies_to_image
from airflow_provider_grok.sandbox.filenames import check_filename
from airflow_provider_grok.sandbox.uploads import check_life


class PublicUrlOptions(Body):
    """How long the public URL of a stored result lives."""

    expires_after: int | None = None


class StorageOptions(Body):
    """How a result is to be stored."""

    filename: str
    expires_after: int | None = None
    public_url: bool | PublicUrlOptions | None = None

    @property
    def link_life(self) -> int | None:
        """The asked life of the public URL in seconds; None for the default."""
        return self.public_url.expires_after if isinstance(self.public_url, PublicUrlOptions) else None

    @property
    def wants_link(self) -> bool:
        """Whether a public URL is asked for."""
        return isinstance(self.public_url, PublicUrlOptions) or self.public_url is True


def check(options: StorageOptions | None) -> None:
    """Refuse bad options before anything is generated or billed.

    :raises Refusal: 400 naming the value and the bounds.
    """
    if options is None:
        return
    check_filename(options.filename)
    check_life("storage_options.expires_after", options.expires_after)
    check_life("storage_options.public_url.expires_after", options.link_life)
    if options.link_life and options.expires_after and options.link_life > options.expires_after:
        raise invalid(
            f"storage_options.public_url.expires_after ({options.link_life}) must not be more than "
            f"storage_options.expires_after ({options.expires_after})."
        )


def store_result(
    backend: Backend,
    options: StorageOptions | None,
    *,
    blob: str,
    mime: str,
    at: float,
    origin: dict[str, Any],
    script: dict[str, Any],
    index: int = 0,
) -> dict[str, Any]:
    """Store a result and return what the answer says about it: `file_output`, `storage_error` or nothing.

    :param at: when it was made, unix seconds.
    :param origin: prompt, model, sources, endpoint, request id, for the gallery.
    :param script: the fault action of the request.
    :param index: number of the image among those of the request.
    """
    if options is None:
        return {}
    if applies_to_image(script.get("storage_error"), index):
        return {"storage_error": as_switch(script["storage_error"], "Failed to store the file.")}
    file_id = files.add(
        backend,
        filename=options.filename,
        content_type=mime,
        blob=blob,
        size=backend.lazy_media.size(blob),
        at=at,
        expires_after=options.expires_after,
        origin=origin,
    )
    visibility.note(backend, script, file_id, at)
    output: dict[str, Any] = {"file_id": file_id, "filename": options.filename}
    if options.expires_after is not None:
        output["expires_at"] = int(at) + options.expires_after
    if options.wants_link:
        output |= share_result(backend, file_id, options, at, script.get("public_url_error"), index)
    return {"file_output": output}


def share_result(
    backend: Backend, file_id: str, options: StorageOptions, at: float, fault: Any, index: int
) -> dict[str, Any]:
    """Make the public URL of a stored result, or say why there is none."""
    if applies_to_image(fault, index):
        text = "Public URL creation timed out. The file was stored successfully."
        return {"public_url_error": as_switch(fault, text)}
    try:
        path, end = public_urls.create(backend, file_id, options.link_life, at)
    except Refusal as refusal:
        return {"public_url_error": refusal.message}
    return {"public_url": path} | ({} if end is None else {"public_url_expires_at": end})
