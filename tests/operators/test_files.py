"""The file operators: upload once, share by a link that ends, unshare, delete, download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pendulum
import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators.files import (
    GrokDeleteOperator,
    GrokDownloadOperator,
    GrokShareOperator,
    GrokUnshareOperator,
    GrokUploadOperator,
)
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, Time, asked, names, picture

Store = Callable[..., str]


def upload(source: Any, **arguments: Any) -> TaskRun:
    return TaskRun(GrokUploadOperator, **{"task_id": "upload", "source": source, **arguments})


def share(file: Any, **arguments: Any) -> TaskRun:
    return TaskRun(GrokShareOperator, **{"task_id": "share", "file": file, **arguments})


@contextmanager
def travel(sandbox: Sandbox) -> Iterator[None]:
    """Let pendulum live by the sandbox's clock."""
    real = pendulum.now
    pendulum.now = lambda tz=None: pendulum.from_timestamp(sandbox.clock.now())
    try:
        yield
    finally:
        pendulum.now = real


def uploads(sandbox: Sandbox) -> int:
    return len(asked(sandbox, "POST", "/v1/files"))


# -- upload --------------------------------------------------------------------------------------------------------


def test_an_upload_is_named_after_its_content(sandbox: Sandbox, tmp_path: Path) -> None:
    path = picture(tmp_path / "hero.png")
    run = upload(str(path), expires_after=timedelta(days=2))
    file_id = run.execute()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    (row,) = run.receipt["files"]
    assert (row["file_id"], row["filename"]) == (file_id, f"hero.{digest}.png")
    assert row["expires_at"] == pytest.approx(sandbox.clock.now() + 2 * 86400, abs=2)
    assert run.receipt["request"]["sources"] == [str(path)]
    assert run.receipt["usage"]["cost_in_usd_ticks"] == 0


def test_the_same_content_is_sent_once_whatever_task_asks(sandbox: Sandbox, tmp_path: Path) -> None:
    path = picture(tmp_path / "hero.png")
    first = upload(str(path)).execute()
    second = upload(str(path), of={"dag_id": "other", "run_id": "tuesday"})
    assert second.execute() == first
    assert second.receipt["reused"]
    assert uploads(sandbox) == 1


def test_changed_content_is_another_file(sandbox: Sandbox, tmp_path: Path) -> None:
    first = upload(str(picture(tmp_path / "hero.png"))).execute()
    assert upload(str(picture(tmp_path / "hero.png", shade=9))).execute() != first


@pytest.mark.parametrize(("hours", "sent"), [(11, 1), (13, 2)])
def test_an_upload_with_half_of_its_life_left_is_used_again(
    sandbox: Sandbox, tmp_path: Path, time: Time, hours: int, sent: int
) -> None:
    run = upload(str(picture(tmp_path / "hero.png")), expires_after=24 * 3600)
    run.execute()
    sandbox.clock.advance(hours * 3600)
    run.execute()
    assert uploads(sandbox) == sent


def test_an_upload_that_ends_does_not_stand_for_one_without_end(sandbox: Sandbox, tmp_path: Path) -> None:
    source = str(picture(tmp_path / "hero.png"))
    upload(source, expires_after=86400).execute()
    upload(source).execute()
    upload(source, expires_after=86400).execute()
    assert uploads(sandbox) == 2


@pytest.mark.parametrize(("reuse", "sent"), [("run", 1), ("attempt", 2), ("always", 1)])
def test_clearing_an_upload_sends_it_again_with_reuse_attempt_only(
    sandbox: Sandbox, tmp_path: Path, reuse: str, sent: int
) -> None:
    run = upload(str(picture(tmp_path / "hero.png")), reuse=reuse)
    run.execute()
    run.execute()
    run.clear()
    run.execute()
    assert uploads(sandbox) == sent


def test_an_upload_whose_answer_was_lost_is_not_stored_twice(sandbox: Sandbox, tmp_path: Path, time: Time) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "action": {"drop": "after"}})
    assert upload(str(picture(tmp_path / "hero.png"))).execute()
    assert len(names(sandbox)) == 1


def test_an_upload_that_never_arrived_is_sent_again(sandbox: Sandbox, tmp_path: Path, time: Time) -> None:
    sandbox.faults.add({"method": "POST", "path": "/v1/files", "action": {"drop": "before"}})
    assert upload(str(picture(tmp_path / "hero.png"))).execute()
    assert (uploads(sandbox), len(names(sandbox))) == (2, 1)


def test_sources_may_be_a_list_and_what_was_stored_is_told_before_a_failure(sandbox: Sandbox, tmp_path: Path) -> None:
    good = str(picture(tmp_path / "hero.png"))
    assert upload([good]).execute() == [upload(good).execute()]
    run = upload([good, str(tmp_path / "missing.png")])
    with pytest.raises(AirflowFailException, match=r"missing\.png"):
        run.execute()
    assert len(run.receipt["files"]) == 1


def test_a_source_may_be_in_an_object_storage(sandbox: Sandbox, tmp_path: Path) -> None:
    path = picture(tmp_path / "hero.png")
    first = upload(f"file://{path}").execute()
    assert upload(str(path)).execute() == first
    assert uploads(sandbox) == 1


def test_a_source_may_be_a_link_on_an_allowed_host(sandbox: Sandbox, store: Store) -> None:
    url = share(store()).execute()
    run = upload(f"{url}?sig=hush")
    assert run.execute()
    assert names(sandbox)[-1].endswith(".png")
    assert "hush" not in str(run.receipt)


def test_a_file_may_get_another_name(sandbox: Sandbox, tmp_path: Path) -> None:
    upload(str(picture(tmp_path / "hero.png")), filename="shop/cover.png").execute()
    assert names(sandbox)[0].startswith("shop/cover.")


# -- share ---------------------------------------------------------------------------------------------------------


def test_a_link_lives_a_week_unless_something_else_is_asked(sandbox: Sandbox, store: Store) -> None:
    run = share(store())
    url = run.execute()
    assert httpx.get(url).status_code == 200
    assert asked(sandbox, "POST", "/public-url")[0]["json"] == {"expires_after": 7 * 86400}
    (row,) = run.receipt["files"]
    assert row["public_url"] == url == run.xcom["public_url"]
    assert row["public_url_expires_at"] == pytest.approx(sandbox.clock.now() + 7 * 86400, abs=2)


def test_the_usual_week_is_shortened_to_the_files_life(sandbox: Sandbox, store: Store) -> None:
    run = share(store(expires_after="7200"))
    run.execute()
    (row,) = run.receipt["files"]
    assert row["public_url_expires_at"] == row["expires_at"]


def test_a_link_without_end_is_made_on_purpose_only(sandbox: Sandbox, store: Store) -> None:
    run = share(store(), expires_after=None)
    run.execute()
    assert run.receipt["files"][0]["public_url_expires_at"] is None


def test_a_link_may_end_at_a_time(sandbox: Sandbox, store: Store) -> None:
    end = datetime.now(timezone.utc) + timedelta(hours=5)
    run = share(store(), expires_at=end.isoformat())
    run.execute()
    assert run.receipt["files"][0]["public_url_expires_at"] == pytest.approx(end.timestamp(), abs=3)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.7, 0.999])
def test_a_file_and_its_link_may_be_given_the_same_end(
    sandbox: Sandbox, time: Time, tmp_path: Path, part: float
) -> None:
    sandbox.clock.advance(1 - sandbox.clock.now() % 1 + part)
    end = datetime.fromtimestamp(sandbox.clock.now() + 5 * 3600.25, timezone.utc)
    with travel(sandbox):
        file_id = upload(str(picture(tmp_path / "hero.png")), expires_at=end).execute()
        sandbox.clock.advance(0.4)
        run = share(file_id, expires_at=end.isoformat())
        run.execute()
        assert GrokHook().share(file_id, expires_at=end) == run.xcom["public_url"]
    (row,) = run.receipt["files"]
    assert row["public_url_expires_at"] == row["expires_at"] == pytest.approx(end.timestamp(), abs=2)


@pytest.mark.parametrize("shape", [list, str, lambda ids: [[ids[0]], None, [ids[1]]]])
def test_shared_files_may_come_in_any_shape(sandbox: Sandbox, store: Store, shape: Callable[[list[str]], Any]) -> None:
    ids = [store(shade=0), store(shade=1)]
    run = share(shape(ids), captions=["one", ["two"]])
    urls = run.execute()
    assert [url.rpartition("/")[2] for url in urls] == [f"{file_id}.png" for file_id in ids]
    assert run.xcom["public_url"] == urls


@pytest.mark.parametrize(
    "captions",
    [
        lambda ids: {ids[0]: "one", "file_moderated": "two", ids[1]: "three"},
        lambda ids: [{ids[1]: "three"}, {ids[0]: "one"}],
        lambda ids: str({ids[0]: "one", ids[1]: "three"}),
        lambda ids: [
            {"files": [{"file_id": file_id}], "request": {"prompt": prompt}}
            for file_id, prompt in ((ids[0], "one"), (None, "two"), (ids[1], "three"))
        ],
    ],
)
def test_captions_that_go_with_file_ids_outlast_a_moderated_picture(
    sandbox: Sandbox, store: Store, captions: Callable[[list[str]], Any]
) -> None:
    ids = [store(shade=0), store(shade=1)]
    run = share(ids, captions=captions(ids))
    urls = run.execute()
    review = run.xcom["review_markdown"]
    # Three across: the pictures in one row, what belongs to each below it.
    assert review.index(f"![one]({urls[0]})") < review.index(f"![three]({urls[1]})")
    assert review.index("**1** · one") < review.index("**2** · three")


def test_the_caption_of_a_hole_in_the_list_of_files_is_left_out(sandbox: Sandbox, store: Store) -> None:
    run = share([store(shade=0), None, store(shade=1)], captions=["one", "two", "three"])
    run.execute()
    assert "two" not in run.xcom["review_markdown"]
    assert "**2** · three" in run.xcom["review_markdown"]


def test_nothing_to_share_is_nothing(sandbox: Sandbox) -> None:
    run = share(None)
    assert run.execute() == []
    assert run.xcom["public_url"] == []
    assert sandbox.journal == []


def test_links_that_were_made_are_told_before_a_failure(sandbox: Sandbox, store: Store, time: Time) -> None:
    run = share([store(), "file_gone"])
    with pytest.raises(AirflowFailException, match="file_gone"):
        run.execute()
    assert len(run.xcom["public_url"]) == 1
    assert len(run.receipt["files"]) == 1
    assert run.xcom["public_url"][0] in run.xcom["review_markdown"]


def test_a_link_that_ends_early_is_prolonged_to_its_files_end(sandbox: Sandbox, store: Store, time: Time) -> None:
    file_id = store(expires_after="86400")
    first = share(file_id, expires_after=3600).execute()
    run = share(file_id)
    assert run.execute() == first
    (row,) = run.receipt["files"]
    assert row["public_url_expires_at"] == pytest.approx(row["expires_at"], abs=10)


def test_sharing_twice_keeps_the_link(sandbox: Sandbox, store: Store) -> None:
    run = share(store())
    assert run.execute() == run.execute()


# -- unshare, delete -----------------------------------------------------------------------------------------------


def test_an_unshared_file_keeps_its_id_and_loses_its_link(sandbox: Sandbox, store: Store) -> None:
    file_id = store()
    url = share(file_id).execute()
    run = TaskRun(GrokUnshareOperator, file=[file_id, file_id])
    assert run.execute() == [file_id, file_id]
    assert httpx.get(url).status_code == 404
    assert [row["reason"] for row in run.receipt["files"]] == [None, "it had no public link"]


def test_deleting_skips_uploads_that_others_may_use(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    shared, own = upload(str(picture(tmp_path / "hero.png"))).execute(), store("result.jpg")
    run = TaskRun(GrokDeleteOperator, file=[shared, own])
    assert run.execute() == [own]
    assert "include_uploads=False" in run.receipt["files"][0]["reason"]
    assert len(names(sandbox)) == 1


@pytest.mark.parametrize("every", [True, "True"])
def test_deleting_takes_uploads_too_where_it_is_told_so(sandbox: Sandbox, tmp_path: Path, every: Any) -> None:
    shared = upload(str(picture(tmp_path / "hero.png"))).execute()
    assert TaskRun(GrokDeleteOperator, file=shared, include_uploads=every).execute() == shared
    assert names(sandbox) == []


def test_an_upload_of_one_run_is_not_taken_for_a_shared_one(sandbox: Sandbox, tmp_path: Path) -> None:
    own = upload(str(picture(tmp_path / "hero.png")), reuse="run").execute()
    assert TaskRun(GrokDeleteOperator, file=own).execute() == own


def test_what_was_deleted_unshared_and_written_stands_in_log_and_receipt(
    sandbox: Sandbox, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file_id = store("result.jpg")
    share(file_id).execute()
    got = TaskRun(GrokDownloadOperator, file=file_id, destination=f"{tmp_path}/out/")
    got.execute()
    TaskRun(GrokUnshareOperator, file=file_id).execute()
    gone = TaskRun(GrokDeleteOperator, file=file_id)
    gone.execute()
    said = capsys.readouterr().out
    for words in (
        f"Shared {file_id} (result.jpg)",
        f"Wrote {file_id} (",
        f"{file_id}: its public URL is withdrawn",
        f"Deleted {file_id} (result.jpg)",
    ):
        assert words in said
    assert got.receipt["files"][0]["url"] == f"{tmp_path}/out/result.jpg"
    assert gone.receipt["files"][0]["filename"] == "result.jpg"


def test_deleting_what_is_gone_is_no_error(sandbox: Sandbox) -> None:
    run = TaskRun(GrokDeleteOperator, file="file_gone")
    assert run.execute() == "file_gone"
    assert run.receipt["files"][0]["reason"] == "it was gone already"


# -- download ------------------------------------------------------------------------------------------------------


def test_a_file_is_written_where_it_was_asked(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    target = tmp_path / "made" / "on the way" / "hero.png"
    assert TaskRun(GrokDownloadOperator, file=store(), destination=str(target)).execute() == str(target)
    assert target.read_bytes() == (tmp_path / "source.png").read_bytes()


def test_files_of_one_name_do_not_overwrite_each_other(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    ids = [store("same.png", shade=shade) for shade in range(3)]
    folder = f"{tmp_path / 'out'}/"
    written = TaskRun(GrokDownloadOperator, file=ids, destination=folder, max_concurrency="2").execute()
    assert [Path(path).name for path in written] == ["same.png", f"same.{ids[1]}.png", f"same.{ids[2]}.png"]
    assert len({Path(path).read_bytes() for path in written}) == 3


def test_downloads_of_several_tasks_into_one_folder_do_not_overwrite_each_other(
    sandbox: Sandbox, store: Store, tmp_path: Path
) -> None:
    ids = [store(name, shade=shade) for shade, name in enumerate(("same.png", "same.png", "a/same.png"))]
    folder = tmp_path / "out"
    for _ in range(2):
        written = [TaskRun(GrokDownloadOperator, file=one, destination=f"{folder}/").execute() for one in ids]
        assert [Path(path).name for path in written] == ["same.png", f"same.{ids[1]}.png", f"same.{ids[2]}.png"]
    assert len({path.read_bytes() for path in folder.iterdir()}) == len(list(folder.iterdir())) == 3


def test_names_that_some_file_system_takes_for_one_are_told_apart(
    sandbox: Sandbox, store: Store, tmp_path: Path
) -> None:
    ids = [store(name, shade=shade) for shade, name in enumerate(("Hero.png", "hero.PNG".lower(), "h:ero.png"))]
    sandbox.backend.store.change("UPDATE files SET filename = 'h?ero.png' WHERE id = ?", ids[1])
    written = TaskRun(GrokDownloadOperator, file=ids, destination=f"{tmp_path}/out/").execute()
    assert [Path(path).name for path in written] == ["Hero.png", "h_ero.png", f"h_ero.{ids[2]}.png"]
    ids.append(store("hero.png", shade=4))
    written = TaskRun(GrokDownloadOperator, file=[ids[0], ids[3]], destination=f"{tmp_path}/two/").execute()
    assert [Path(path).name for path in written] == ["Hero.png", f"hero.{ids[3]}.png"]


def test_a_name_keeps_its_letters(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    run = TaskRun(GrokDownloadOperator, file=store("写真 (1).png"), destination=f"{tmp_path}/out/")
    assert Path(run.execute()).name == "写真 (1).png"
    (row,) = run.receipt["files"]
    assert (row["filename"], row["url"]) == ("写真 (1).png", f"{tmp_path}/out/写真 (1).png")


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_folder_that_exists_needs_no_slash(
    sandbox: Sandbox, store: Store, tmp_path: Path, as_path: Callable[[Path], Any]
) -> None:
    (tmp_path / "out").mkdir()
    ids = [store("a.png"), store("b.png", shade=1)]
    TaskRun(GrokDownloadOperator, file=ids, destination=as_path(tmp_path / "out")).execute()
    TaskRun(GrokDownloadOperator, file=store("c.png", shade=2), destination=as_path(tmp_path / "out")).execute()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", ".hidden.png", "a/b/evil.png", "...png"])
def test_a_hostile_name_stays_in_the_folder(sandbox: Sandbox, store: Store, tmp_path: Path, name: str) -> None:
    file_id = store()
    sandbox.backend.store.change("UPDATE files SET filename = ?", name)
    folder = tmp_path / "out"
    (path,) = TaskRun(GrokDownloadOperator, file=[file_id], destination=f"{folder}/").execute()
    assert Path(path).resolve().parent == folder
    assert not Path(path).name.startswith(".")


def test_files_can_go_to_an_object_storage(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/out/"
    (written,) = TaskRun(GrokDownloadOperator, file=[store()], destination=url).execute()
    assert written == f"{url}hero.png"
    assert ObjectStoragePath(written).read_bytes()[:4] == b"\x89PNG"


def test_several_files_need_a_folder(sandbox: Sandbox, store: Store, tmp_path: Path) -> None:
    run = TaskRun(GrokDownloadOperator, file=["file_1", "file_2"], destination=str(tmp_path / "one.png"))
    with pytest.raises(AirflowFailException, match=r"overwritten by each of 2 files\. End it in '/'"):
        run.execute()
    assert sandbox.journal == []


def test_what_was_written_is_told_before_a_failure(sandbox: Sandbox, store: Store, tmp_path: Path, time: Time) -> None:
    good, bad = store("good.png"), store("bad.png")
    sandbox.faults.add({"path": f"/v1/files/{bad}/content", "times": None, "action": {"truncate": 10}})
    run = TaskRun(GrokDownloadOperator, file=[good, bad], destination=f"{tmp_path}/out/")
    with pytest.raises(AirflowException, match="the answer was lost") as caught:
        run.execute()
    assert not isinstance(caught.value, AirflowFailException)
    assert [bool(row["reason"]) for row in run.receipt["files"]] == [False, True]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


# -- building DAGs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operator", [GrokUploadOperator, GrokShareOperator, GrokUnshareOperator, GrokDeleteOperator, GrokDownloadOperator]
)
def test_template_fields_are_arguments_of_the_same_name_kept_as_they_were_given(operator: type[Any]) -> None:
    given = {field: f"{{{{ {field} }}}}" for field in operator.template_fields}
    made = operator(task_id="x", **given)
    assert {field: getattr(made, field) for field in operator.template_fields} == given


def test_file_operators_can_be_mapped(sandbox: Sandbox) -> None:
    with DAG("shop", schedule=None):
        up = GrokUploadOperator.partial(task_id="up").expand(source=["a.png", "b.png"])
        GrokShareOperator.partial(task_id="share", expires_after="7200").expand(file=up.output)
        GrokUnshareOperator(task_id="unshare", file=up.output)
        GrokDeleteOperator.partial(task_id="delete").expand(file=up.output)
        GrokDownloadOperator.partial(task_id="get", destination="/tmp/").expand_kwargs([{"file": "file_1"}])
    assert sandbox.journal == []
