"""The image operators: what they send, the shapes they take and return, mapping."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from PIL import Image

from airflow_provider_grok.operators.images import GrokImagineEditOperator, GrokImagineGenerateOperator
from airflow_provider_grok.sandbox.server import Sandbox
from tests.airflow_task import TaskRun, names, paid

Store = Callable[..., str]


def generate(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineGenerateOperator, **{"task_id": "make", "prompt": "a red bicycle", **arguments})


def edit(**arguments: Any) -> TaskRun:
    return TaskRun(GrokImagineEditOperator, **{"prompt": "make it red", **arguments})


def body(sandbox: Sandbox) -> dict[str, Any]:
    (one,) = paid(sandbox)
    sent: dict[str, Any] = one["json"]
    return sent


def test_a_generation_sends_what_it_says(sandbox: Sandbox) -> None:
    run = generate(aspect_ratio="3:2", resolution="2k", quality="medium", user="u-1")
    run.execute()
    (stored,) = names(sandbox)
    assert body(sandbox) == {
        "model": "grok-imagine-image-2.0",
        "prompt": "a red bicycle",
        "n": 1,
        "aspect_ratio": "3:2",
        "resolution": "2k",
        "quality": "medium",
        "user": "u-1",
        "deferred": True,
        "storage_options": {"filename": stored},
    }


def test_the_defaults_are_the_cheapest_generation_and_a_medium_edit(sandbox: Sandbox, store: Store) -> None:
    generate().execute()
    edit(image=store()).execute()
    first, second = (one["json"] for one in paid(sandbox))
    assert (first["quality"], first["resolution"], first["aspect_ratio"]) == ("low", "1k", "auto")
    assert (second["quality"], second["resolution"]) == ("medium", "1k")
    assert "aspect_ratio" not in second


def test_quality_is_not_sent_to_a_model_that_does_not_know_it(sandbox: Sandbox) -> None:
    generate(model="grok-imagine-image", quality="medium").execute()
    assert "quality" not in body(sandbox)


def test_fields_that_the_api_learned_later_are_merged_last_and_not_checked(sandbox: Sandbox) -> None:
    generate(quality="low", request_params={"quality": "high"}).execute()
    assert body(sandbox)["quality"] == "high"


def test_an_edit_by_file_id_is_a_new_picture_of_the_old_one(sandbox: Sandbox, store: Store) -> None:
    source = store()
    result = edit(image=source).execute()
    assert result != source
    assert body(sandbox)["image"] == {"file_id": source}
    assert names(sandbox)[0] == "hero.png"
    answer = httpx.get(f"{sandbox.url}/files/{result}/content", headers={"authorization": f"Bearer {sandbox.api_key}"})
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"


def test_an_edit_of_several_sources_keeps_their_order(sandbox: Sandbox, store: Store) -> None:
    sources = [store(shade=shade) for shade in range(3)]
    edit(images=sources, aspect_ratio="3:2").execute()
    assert body(sandbox)["images"] == [{"file_id": source} for source in sources]
    assert body(sandbox)["aspect_ratio"] == "3:2"


class Lazy(Sequence[str]):
    """A mapped task's output, as a task gets it."""

    def __init__(self, *values: str) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]


@pytest.mark.parametrize("shape", [list, tuple, str, lambda ids: Lazy(*ids), lambda ids: [[ids[0]], [None, ids[1]]]])
def test_sources_may_come_in_any_shape(sandbox: Sandbox, store: Store, shape: Callable[[list[str]], Any]) -> None:
    sources = [store(shade=0), store(shade=1)]
    edit(images=shape(sources)).execute()
    assert body(sandbox)["images"] == [{"file_id": source} for source in sources]


def test_a_ratio_for_one_source_is_said_to_have_no_effect(
    sandbox: Sandbox, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(image=store(), aspect_ratio="3:2").execute()
    assert "aspect_ratio=3:2 has no effect" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("n", "count"), [(None, None), ("None", None), ("", None), (1, 1), ("1", 1), ("4", 4), (2.0, 2)]
)
def test_a_list_is_returned_where_n_is_given_and_a_string_otherwise(
    sandbox: Sandbox, n: Any, count: int | None
) -> None:
    result = generate(n=n).execute()
    assert isinstance(result, str) if count is None else len(result) == count
    assert body(sandbox)["n"] == (count or 1)


def test_what_templates_render_is_read(sandbox: Sandbox) -> None:
    generate(
        n="2",
        expires_after="7200",
        share="True",
        max_cost_usd="0.5",
        poll_interval="1.5",
        timeout="60",
        user="None",
        filename="",
    ).execute()
    sent = body(sandbox)
    assert sent["storage_options"]["expires_after"] == 7200
    assert sent["storage_options"]["public_url"] is True
    assert "user" not in sent


def test_a_result_is_named_after_its_task_or_as_was_asked(sandbox: Sandbox) -> None:
    generate().execute()
    generate(filename="poster.final.png", of={"run_id": "tuesday"}).execute()
    generate(filename="poster", of={"run_id": "wednesday"}).execute()
    first, second, third = names(sandbox)
    assert first.startswith("shop.make.")
    assert first.endswith(".jpg")
    assert second.startswith("poster.final.")
    assert second.endswith(".png")
    assert third.startswith("poster.")
    assert third.endswith(".jpg")


def test_a_task_of_a_group_has_a_name_that_the_api_takes(sandbox: Sandbox) -> None:
    generate(of={"dag_id": "größe; " + "x" * 200}, task_id="group.make").execute()
    (name,) = names(sandbox)
    assert len(name) <= 255
    assert ";" not in name
    assert ".group.make." in name


# -- building DAGs -------------------------------------------------------------------------------------------------


def test_operators_can_be_mapped_over_anything(sandbox: Sandbox) -> None:
    with DAG("shop", schedule=None):
        up = GrokImagineGenerateOperator.partial(task_id="make", n=2, share=True).expand(prompt=["a", "b"])
        GrokImagineEditOperator.partial(task_id="edit", prompt="red", reuse="always").expand(image=up.output)
        GrokImagineEditOperator.partial(task_id="more", deferrable=True).expand_kwargs(
            [{"image": "file_1", "prompt": "x"}, {"images": ["file_1", "file_2"], "prompt": "y"}]
        )
    assert sandbox.journal == []


@pytest.mark.parametrize("operator", [GrokImagineGenerateOperator, GrokImagineEditOperator])
def test_template_fields_are_arguments_of_the_same_name_kept_as_they_were_given(operator: type[Any]) -> None:
    given = {field: f"{{{{ {field} }}}}" for field in operator.template_fields}
    made = operator(task_id="x", **given)
    assert {field: getattr(made, field) for field in operator.template_fields} == given
    assert not operator.template_ext


def test_the_key_is_in_no_rendered_field(sandbox: Sandbox) -> None:
    run = generate()
    made = run.fresh()
    made.execute(run.context)
    assert sandbox.api_key not in str({field: getattr(made, field) for field in made.template_fields})
    assert sandbox.api_key not in str(run.xcom)
    assert sandbox.api_key not in str(run.store.values)


@pytest.mark.parametrize("field", ["prompt", "filename", "user", "request_params"])
def test_a_field_that_rendered_to_the_key_is_refused_before_anything_is_sent(sandbox: Sandbox, field: str) -> None:
    value: Any = f"a mug {sandbox.api_key}"
    run = generate(**{field: {"style": value} if field == "request_params" else value})
    with pytest.raises(AirflowFailException, match="holds the API key of the connection"):
        run.execute()
    assert not sandbox.journal
    assert sandbox.api_key not in str(run.xcom)
    assert sandbox.api_key not in str(run.store.values)


def test_arguments_are_by_name_only() -> None:
    with pytest.raises(TypeError):
        GrokImagineGenerateOperator("a red bicycle")  # type: ignore[call-arg]


def test_another_connection_can_be_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AGENCY", '{"conn_type": "grok", "password": ""}')
    with pytest.raises(AirflowFailException, match="'agency' has no API key"):
        generate(grok_conn_id="agency").execute()


@pytest.mark.parametrize(("filename", "begins"), [("None", "shop.make."), ("", "shop.make."), (5, "5.")])
def test_a_name_is_rendered_text_or_none(sandbox: Sandbox, filename: Any, begins: str) -> None:
    generate(filename=filename).execute()
    (stored,) = names(sandbox)
    assert stored.startswith(begins)


def test_fields_and_tags_are_read_from_rendered_text(sandbox: Sandbox) -> None:
    generate(user=5, request_params="{'resolution': '2k'}").execute()
    assert body(sandbox)["user"] == "5"
    assert body(sandbox)["resolution"] == "2k"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeout": 0}, "timeout=0 leaves no time"),
        ({"timeout": "-5"}, "timeout='-5' leaves no time"),
        ({"request_params": "resolution=2k"}, "is no dict of API fields"),
        ({"request_params": {"n": 3}}, "give it as n="),
    ],
)
def test_what_would_pay_for_nothing_is_refused_before_anything_is_sent(
    sandbox: Sandbox, arguments: dict[str, Any], words: str
) -> None:
    run = generate(**arguments)
    with pytest.raises(AirflowFailException, match=words):
        run.execute()
    assert not sandbox.journal
    assert run.receipt["usage"] == {"cost_in_usd_ticks": 0, "cost_usd": 0.0, "estimated": False}
