"""A sensor for stored files: waits until a file of a name, or any that a filter finds, is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_grok.hooks.errors import translate_errors
from airflow_provider_grok.operators.values import given

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_grok.api.call import Flow
    from airflow_provider_grok.api.files import File


class GrokFileSensor(BaseSensorOperator):
    """Wait for files in xAI Files; returns the newest one's id (`filename`), or what a filter finds (`filter`).

    A filter that finds one file gives its id, as `image=` takes it, several a list of ids, oldest first. Where another
    task is mapped over the output (`.expand(image=wait.output)`), it is a list always.

    Use `mode="reschedule"` for long waits: it holds no worker between two looks. Airflow's own `timeout` and
    `poke_interval` (seconds) apply (docs.x.ai, Files API: list).

    :param filename: name to wait for: of a stored file, or of the source of an upload (`hero.png` is stored as
        `hero.<12 hex>.png`).
    :param filter: AIP-160 expression to wait for instead, such as `content_type = "image/png"`.
    :param grok_conn_id: the Airflow connection.
    """

    template_fields = ("grok_conn_id", "filename", "filter")
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        filename: str | None = None,
        filter: str | None = None,
        grok_conn_id: str = "grok_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filename = filename
        self.filter = filter
        self.grok_conn_id = grok_conn_id

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once.

        :param context: the task's context.
        """
        with translate_errors():
            found = self._poll()
        if not found:
            return PokeReturnValue(is_done=False)
        ids = [file.id for file in found]
        self.log.info("Found %d file(s).", len(ids))
        one = given(self.filename) or (len(ids) == 1 and not self._mapped_over())
        return PokeReturnValue(is_done=True, xcom_value=ids[0] if one else ids)

    def _mapped_over(self) -> bool:
        """Whether a task is mapped over what this one returns, so that it has to be a list."""
        if not self.has_dag():  # type: ignore[no-untyped-call]
            return False
        return next(iter(self.iter_mapped_dependants()), None) is not None

    def _poll(self) -> list[File]:
        from airflow_provider_grok.api import errors, files
        from airflow_provider_grok.hooks.grok import GrokHook

        hook = GrokHook(self.grok_conn_id)
        name, expression = given(self.filename), given(self.filter)
        if (name is None) == (expression is None):
            raise errors.InvalidRequest(
                f"filename={self.filename!r} and filter={self.filter!r}: give exactly one of them to wait for."
            )
        if name is not None:
            return hook.run(_named(str(name)))
        return hook.run(files.listing(filter=str(expression), order="asc"))


def _named(name: str) -> Flow[list[File]]:
    """The files of a name, and the uploads of a source of that name, newest first."""
    from airflow_provider_grok.api import files
    from airflow_provider_grok.flows.files.upload import is_upload_of

    # The digest stands before the ending, so what is searched for is what stands before the digest.
    stem = name.rpartition(".")[0] or name
    found: list[File] = yield from files.find_part(stem)
    return [file for file in reversed(found) if file.filename == name or is_upload_of(file, name)]
