"""What nobody has: shown, told apart from what a task would still take, and tidied on demand only."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_grok.api import batches, images
from airflow_provider_grok.cli.parser import main
from airflow_provider_grok.flows.purchases.claims import Owner, claims_of
from airflow_provider_grok.hooks.grok import GrokHook
from airflow_provider_grok.operators.batches import GrokBatchOperator, GrokPersistOperator, generate_image
from airflow_provider_grok.operators.files import GrokUploadOperator
from airflow_provider_grok.operators.images import GrokImagineGenerateOperator
from tests.dag_run import RunDag

Say = Callable[..., list[str]]
TOKEN, OTHER = "0123456789abcd", "ffffffffffffff"


@pytest.fixture
def shop(tmp_path: Path) -> DAG:
    """A DAG that buys a picture and a batch, and uploads a file under a token of its own."""
    photo = tmp_path / "note.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with DAG("shop") as dag:
        GrokImagineGenerateOperator(task_id="picture", prompt="a red bicycle")
        requests = [generate_image("row", prompt="a blue bicycle")]
        batch = GrokBatchOperator(task_id="batch", requests=requests)
        GrokPersistOperator(task_id="keep", batch_id=batch.output)
        GrokUploadOperator(task_id="upload", source=str(photo), reuse="run")
    return dag


@pytest.fixture
def no_records(airflow_database: None) -> None:
    """Forget what tasks of other tests have: their sandboxes are gone."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        for table in (TaskStateStoreModel, XComModel):
            session.execute(delete(table))


@pytest.fixture
def say(run_dag: RunDag, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run the command, and return what it prints."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    def command(*words: str, fails: int = 0, age: str = "0") -> list[str]:
        capfd.readouterr()
        assert main(["orphans", "--older-than", age, *words]) == fails
        said = capfd.readouterr()
        return (said.err if fails else said.out).splitlines()

    return command


def forget(task_id: str) -> None:
    """Take a task's records and XComs out of the database, as the deletion of its run does."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        for table in (TaskStateStoreModel, XComModel):
            session.execute(delete(table).where(table.task_id == task_id))


def change_records(task_id: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the records that a task keeps."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        for row in session.scalars(select(TaskStateStoreModel).where(TaskStateStoreModel.task_id == task_id)):
            row.value = json.dumps(change(json.loads(row.value)))


@pytest.fixture
def bought(no_records: None, run_dag: RunDag, shop: DAG) -> RunDag:
    """The shop after its run."""
    assert run_dag(shop).state == "success"
    return run_dag


@pytest.mark.usefixtures("bought")
def test_what_finished_tasks_have_is_no_orphan(say: Say) -> None:
    assert say() == ["0 orphans, about 0.00 USD; 0 unfinished."]


def test_a_picture_whose_run_was_deleted_is_an_orphan_until_it_is_deleted(bought: RunDag, say: Say) -> None:
    forget("picture")
    (orphan,) = [json.loads(line) for line in say("--json")]
    assert (orphan["kind"], orphan["task"], orphan["state"]) == ("file", None, "stored")
    assert orphan["name"].startswith("shop.picture.")
    shown = "\n".join(say())
    assert orphan["id"] in shown
    assert "be sure before you delete" in shown
    assert "1 orphans, about 0.07 USD" in shown
    assert bought.sandbox.journal[-1]["method"] == "GET", "nothing is changed unless it is asked for"
    assert say("--match", "other.*", "--delete", "--yes")[-1].startswith("0 orphans")
    assert say("--match", "*", "--delete", "--yes")[-1] == f"deleted {orphan['id']}"
    assert say() == ["0 orphans, about 0.00 USD; 0 unfinished."]


@pytest.mark.parametrize("phase", ["intended", "submitted", "failed"])
def test_what_an_unfinished_task_would_take_is_shown_with_it_and_never_tidied(
    bought: RunDag, say: Say, phase: str
) -> None:
    forget("nobody")
    change_records("picture", lambda record: {**record, "phase": phase, "result": None})
    drop_receipt("picture")
    shown = say("--delete", "--cancel", "--match", "*", "--yes")
    assert shown[-1] == "0 orphans, about 0.00 USD; 1 unfinished."
    (_,) = [line for line in shown if f"clear task shop.picture of run {latest_run()} ({phase})" in line]
    assert not [one for one in bought.sandbox.journal if one["method"] == "DELETE"]


def drop_receipt(task_id: str) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(XComModel).where(XComModel.task_id == task_id))


def latest_run() -> str:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return str(session.scalars(select(DagRun.run_id).order_by(DagRun.id.desc())).first())


def test_a_batch_that_nobody_has_is_cancelled_while_it_runs(bought: RunDag, say: Say) -> None:
    hook = GrokHook()
    bought.sandbox.clock.rate = 0
    made = [hook.run(batches.create(name)) for name in (f"shop.batch.{TOKEN}", "somebody's", f"other.{OTHER}")]
    found = [json.loads(line) for line in say("--json")]
    ours = {made[0].batch_id, made[2].batch_id}
    assert {(one["id"], one["state"], one["kind"]) for one in found} == {(id, "empty", "batch") for id in ours}
    assert say("--delete", "--match", "shop.*", "--yes")[-1].startswith("1 orphans")
    assert say("--cancel", "--match", "shop.*", "--yes")[-1] == f"cancelled {made[0].batch_id}"
    cancelled = {batch.batch_id for batch in hook.run(batches.listing()) if batch.cancel_time}
    assert cancelled == {made[0].batch_id}


def test_ids_may_be_claimed_by_hand_and_the_young_are_left_alone(run_dag: RunDag, store_picture: Any) -> None:
    hook = GrokHook()
    first, second = store_picture(f"a.{TOKEN}.png"), store_picture(f"b.{OTHER}.png")
    store_picture("c.0123456789ab.png")
    assert {one.id for one in hook.orphans(older_than=0)} == {first, second}
    assert [one.id for one in hook.orphans([first], older_than=0)] == [second]
    assert hook.orphans() == []
    assert [one.kind for one in hook.orphans(claims_of([]), older_than=0)] == ["file", "file"]


@pytest.fixture
def store_picture(run_dag: RunDag) -> Callable[[str], str]:
    import httpx

    sandbox = run_dag.sandbox

    def put(name: str) -> str:
        headers = {"authorization": f"Bearer {sandbox.api_key}"}
        files = {"file": (name, b"\x89PNG\r\n\x1a\n" + bytes(8), "image/png")}
        return str(httpx.post(f"{sandbox.url}/files", headers=headers, files=files).json()["id"])

    return put


def test_records_that_another_backend_keeps_make_no_orphans(bought: RunDag, say: Say) -> None:
    change_records("picture", lambda _: "s3://bucket/state/1")
    (words,) = say("--delete", "--match", "*", "--yes", fails=1)
    assert "nothing was done" in words
    change_records("picture", lambda _: {})


@pytest.mark.usefixtures("bought")
def test_a_database_that_knows_no_purchase_is_taken_for_the_wrong_one(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_grok.cli.records.read_claims", lambda: claims_of([]))
    monkeypatch.setattr("airflow_provider_grok.cli.records.handed_on", lambda _: set())
    assert say()[-1].startswith("5 orphans")
    for word in ("--delete", "--cancel"):
        (words,) = say(word, "--match", "*", "--yes", fails=1)
        assert "Is it the right one" in words


@pytest.mark.usefixtures("run_dag")
def test_a_database_that_cannot_be_read_and_a_connection_that_is_missing_are_told_in_words(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    (words,) = say("--conn-id", "nobody", fails=1)
    assert "nobody" in words

    def unreadable() -> None:
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT", {}, Exception("no such table: task_state_store"))

    monkeypatch.setattr("airflow_provider_grok.cli.records.read_claims", unreadable)
    (words,) = say(fails=1)
    assert "no such table" in words
    assert "AIRFLOW_HOME" in words


def test_a_second_picture_of_one_purchase_is_an_orphan_and_its_price_is_known(run_dag: RunDag) -> None:
    hook = GrokHook()
    name = f"shop.picture.{TOKEN}.jpg"
    stored = {"storage_options": {"filename": name}}
    calls = [images.generate({"prompt": "x", "model": "grok-imagine-image", **stored}) for _ in range(2)]
    bought = [hook.buy(call, key=str(number)) for number, call in enumerate(calls)]
    record = {"token": "f" * 14, "phase": "done", "kind": "image", "result": {"ticks": 5, "files": []}}
    tokens = [row.filename.split(".")[-2] for one in bought for row in one.rows if row.filename]
    claims = claims_of(
        [
            (
                Owner("shop.picture"),
                {**record, "token": tokens[0], "result": {"ticks": 5, "files": [{"file_id": "file_no"}]}},
            ),
            (
                Owner("shop.other"),
                {**record, "token": tokens[1], "result": {"files": [{"file_id": bought[1].file_ids[0]}]}},
            ),
        ]
    )
    (orphan,) = hook.orphans(claims, older_than=0)
    assert (orphan.id, orphan.ticks) == (bought[0].file_ids[0], 5)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("2m", 120), ("36h", 129_600), ("7d", 604_800), ("1.5h", 5400)]
)
def test_an_age_has_a_unit(text: str, seconds: float) -> None:
    from airflow_provider_grok.cli import command

    assert command.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-1d", "1w", "1e9", "soon"])
def test_what_is_no_age_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["orphans", f"--older-than={text}"])
    assert "is no age" in capsys.readouterr().err


def test_ids_of_any_form_are_claimed_by_records_receipts_and_manifests() -> None:
    record = {"token": TOKEN, "phase": "done", "kind": "image", "result": {"files": [{"file_id": "0aef"}]}}
    rows = [{"batch_request_id": "a", "files": [{"file_id": "9b-z"}]}]
    receipt = {"files": [{"file_id": "dd.1"}], "reused": False}
    told = [receipt, json.dumps(receipt | {"files": [{"file_id": "ee"}]}), json.dumps(json.dumps({"file_id": "ff"}))]
    claims = claims_of([(Owner("x"), record), (Owner("y"), rows)], [*told, "manifest-1", '"manifest-2"', None])
    assert {"0aef", "9b-z", "dd.1", "ee", "ff", "manifest-1", "manifest-2"} <= claims.ids


def test_a_row_whose_id_looks_like_a_key_is_no_orphan(run_dag: RunDag, say: Say) -> None:
    with DAG("hexes") as dag:
        batch = GrokBatchOperator(task_id="batch", requests=[generate_image("deadbeef123456", prompt="a blue bicycle")])
        GrokPersistOperator(task_id="keep", batch_id=batch.output)
    assert run_dag(dag).state == "success"
    assert say("--json") == []


def test_a_change_wants_a_match_and_a_yes(bought: RunDag, say: Say) -> None:
    forget("picture")
    for word in ("--delete", "--cancel"):
        (words,) = say(word, "--yes", fails=2)
        assert "--match" in words
    *_, words = say("--delete", "--match", "shop.*", fails=2)
    assert "Delete 1 orphans? Nobody is there to ask, so nothing was done" in words
    assert not [one for one in bought.sandbox.journal if one["method"] == "DELETE"]


def test_it_says_how_many_the_age_hides(
    bought: RunDag, say: Say, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forget("picture")
    assert main(["orphans", "--match", "shop.*"]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines()[-1].startswith("0 orphans")
    assert "1 more are younger than --older-than" in said.err
    assert main(["orphans", "--match", "other.*"]) == 0
    assert "younger" not in capfd.readouterr().err


def test_what_is_under_way_is_listed_with_the_command_that_clears_it(
    no_records: None, run_dag: RunDag, say: Say
) -> None:
    from datetime import datetime, timezone

    with DAG("slow") as dag:
        GrokImagineGenerateOperator(task_id="a.picture", prompt="a red bicycle", timeout=1, retries=0)
    run_dag.sandbox.clock.rate = 0
    finished = run_dag(dag, logical_date=datetime(2026, 5, 1, tzinfo=timezone.utc))
    assert finished.state == "failed"
    shown = "\n".join(say())
    assert "Under way, with no file yet" in shown
    assert f"clear task slow.a.picture of run {finished.run_id} (submitted)" in shown
    date = "2026-05-01T00:00:00+00:00"
    assert f"  airflow tasks clear slow -t a.picture -s {date} -e {date}\n" in shown
    assert shown.endswith("0 orphans, about 0.00 USD; 0 unfinished; 1 under way.")
    (row,) = map(json.loads, say("--json"))
    assert (row["kind"], row["state"]) == ("purchase", "submitted")
    cleared = subprocess.run([sys.executable, "-m", *shlex.split(row["clear"]), "-y"], capture_output=True, check=False)
    assert cleared.returncode == 0, cleared.stderr
    assert states_of("slow") == {"a.picture": None}
    assert say("--match", "other.*")[-1] == "0 orphans, about 0.00 USD; 0 unfinished."


def test_a_picture_bought_by_the_hook_and_handed_on_is_nobodys_orphan(
    no_records: None, run_dag: RunDag, say: Say
) -> None:
    from airflow.sdk import task

    @task
    def buy() -> dict[str, str]:
        return {"hero": GrokHook().generate("a red bicycle")}

    with DAG("hooked") as dag:
        buy()
    assert run_dag(dag).state == "success"
    assert say("--json") == []
    forget_records("buy")
    assert say("--json") == [], "its id stands in what the task returned"
    forget("buy")
    (orphan,) = say("--json")
    assert json.loads(orphan)["task"] is None


def states_of(dag_id: str) -> dict[str, Any]:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(TaskInstance.task_id, TaskInstance.state).where(TaskInstance.dag_id == dag_id)
        return {row.task_id: row.state for row in session.execute(query)}


def forget_records(task_id: str) -> None:
    """Take a task's records out of the database, as `[state_store] clear_on_success` does."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(TaskStateStoreModel).where(TaskStateStoreModel.task_id == task_id))


@pytest.mark.usefixtures("bought")
def test_what_succeeded_tasks_made_is_no_orphan_where_airflow_clears_their_records(say: Say) -> None:
    for task_id in ("picture", "batch", "keep", "upload"):
        forget_records(task_id)
    assert say()[-1].startswith("0 orphans")


def test_what_a_task_took_while_a_person_thought_is_not_deleted(
    bought: RunDag, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_grok.cli import orphans, records

    forget("picture")
    (orphan,) = map(json.loads, say("--json"))

    def answer(question: str, options: Any) -> bool:
        monkeypatch.setattr(records, "handed_on", lambda _: {orphan["id"]})
        return True

    monkeypatch.setattr(orphans, "agreed", answer)
    say("--delete", "--match", "*")
    assert not [one for one in bought.sandbox.journal if one["method"] == "DELETE"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_receipts_of_another_backend_make_no_orphans(
    bought: RunDag, say: Say, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    forget_records("picture")
    with create_session() as session:
        mine = (XComModel.task_id == "picture", XComModel.key == "receipt")
        session.execute(update(XComModel).where(*mine).values(value="s3://bucket/receipt"))
    if elsewhere:
        monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", "a.b.XComObjectStorageBackend")
        (words,) = say("--match", "*", "--delete", "--yes", fails=1)
        assert "xcom_backend" in words
    else:
        assert say()[-1].startswith("0 orphans"), "a task of somebody else may call its XCom a receipt"
