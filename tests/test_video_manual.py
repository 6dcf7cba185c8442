"""The manual's chapter on video says what is true: its DAGs run and cost so much; models, limits, voices, prices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import airflow_provider_grok
from airflow_provider_grok.api import prices, videos

if TYPE_CHECKING:
    from tests.dag_run import RunDag

TEXT = (Path(airflow_provider_grok.__file__).parent / "docs" / "video.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
DAGS = [code for code in PYTHON if "with DAG(" in code]


def section(heading: str) -> str:
    """The text under a heading."""
    found = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, heading
    return found


def table(text: str) -> dict[str, list[str]]:
    """The rows of a table, by the first word in backticks of their first cell."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:3] == "| `"]
    return {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in cells}


def amounts(text: str) -> list[int]:
    """Sums of money, in ticks."""
    return [round(float(amount) * prices.TICKS_PER_USD) for amount in re.findall(r"\$(\d+\.\d+)", text)]


@pytest.mark.parametrize("code", PYTHON)
def test_every_block_is_python(code: str) -> None:
    compile(code, "video.md", "exec")


def test_the_film_of_a_picture_runs_and_costs_what_the_chapter_says(run_dag: RunDag, tmp_path: Path) -> None:
    file = tmp_path / "mug_film.py"
    # Each deferral waits seconds for its first look; what is made and paid is the same without.
    file.write_text(DAGS[0].replace("deferrable=True", "deferrable=False"))
    run = run_dag(file)
    assert run.state == "success"
    said = {name: amounts(cells[-1]) for name, cells in table(section("From a picture to a film")).items()}
    assert [charge["ticks"] for charge in run.charges] == [
        said[name][0] for name in ("picture", "clip", "night", "longer")
    ]
    (total,) = amounts(section("From a picture to a film").partition("| all |")[2].splitlines()[0])
    assert sum(charge["ticks"] for charge in run.charges) == total
    assert run.xcom("longer", "receipt")["request"]["sources"] == [run.xcom("night")]
    assert run.xcom("longer", "public_url")


def test_the_other_dag_runs(run_dag: RunDag, tmp_path: Path) -> None:
    file = tmp_path / "spoken_film.py"
    file.write_text(DAGS[1])
    conf = {name: str(tmp_path / f"{name}.png") for name in ("hero", "end")}
    for shade, path in enumerate(conf.values()):
        Image.new("RGB", (64, 48), (200 * shade, 120, 200)).save(path)
    assert run_dag(file, conf=conf).state == "success"


def test_functions_outside_of_dags_make_requests_that_are_taken() -> None:
    from airflow_provider_grok.operators.requests import checked

    (code,) = (code for code in PYTHON if "with DAG(" not in code)
    names: dict[str, Any] = {}
    exec(compile(code, "video.md", "exec"), names)
    rows = names["requests"].function(["file_1", "file_2"], "file_3")
    assert [checked(row, index)["batch_request_id"] for index, row in enumerate(rows)] == [
        "film-0",
        "film-1",
        "night",
        "longer",
    ]


def test_models_are_told_as_they_are() -> None:
    said = table(section("Models"))
    aliases = {name for name, model in prices.SERVED_BY.items() if model in videos.MODELS}
    assert said.keys() == videos.MODELS.keys() - aliases
    assert [name for name in aliases if f"`{name}`" not in section("Models")] == []
    for name, (sizes, _, references, others, remakes) in said.items():
        skills = videos.MODELS[name]
        assert sizes == ", ".join(skills.resolutions)
        assert references.startswith("yes") == ("reference_images" in skills.takes)
        assert (f"{skills.referenced_seconds} s" in references) == ("reference_images" in skills.takes)
        assert (others == "yes") == ({"last_frame", "keyframes", "reference_audios"} <= skills.takes)
        assert (remakes == "yes") == skills.remakes


def test_limits_are_told_as_they_are() -> None:
    text = section("Limits")
    assert "| `duration` of a new video | {} to {} s |".format(*videos.SECONDS) in text
    assert "| `duration` of an extension: the seconds to add | {} to {} s |".format(*videos.SECONDS_ADDED) in text
    assert f"at most {prices.LONGEST_EDITED} s" in text
    assert f"2 to {prices.LONGEST_EXTENDED:.0f} s" in text
    said = table(text)
    assert said["reference_images"] == [str(videos.MOST_REFERENCES)]
    assert said["reference_audios"] == [str(videos.MOST_AUDIOS)]
    assert said["keyframes"][0].startswith(f"{videos.MOST_KEYFRAMES},")
    assert set(re.findall(r"`(\d+:\d+)`", said["aspect_ratio"][0])) == set(videos.ASPECT_RATIOS)


def test_voices_are_those_that_are_known() -> None:
    listed = section("Voices").partition("lists these 26:")[2].partition(".")[0]
    assert re.findall(r"`(\w+)`", listed) == list(videos.VOICES)
    assert len(videos.VOICES) == 26


def test_prices_are_those_of_the_package() -> None:
    text = section("What it costs")
    assert f"as read on {prices.PRICED_ON}" in text
    said = table(text)
    assert said.keys() == prices.VIDEO_PRICES.keys()
    for name, cells in said.items():
        assert amounts(" ".join(cells[:3])) == list(prices.VIDEO_PRICES[name].values())
        assert amounts(cells[3]) == [prices.SOURCE_PRICES[name]]
        assert amounts(cells[4]) == ([prices.SOURCE_SECOND_PRICE] if videos.MODELS[name].remakes else [])
    estimates = [
        prices.video_ticks(videos.generation_body(prompt="x", model="grok-imagine-video-1.5")),
        prices.video_ticks(videos.edit_body(prompt="x", video="file_1")),
        prices.video_ticks(videos.extension_body(prompt="x", video="file_1")),
    ]
    words = [r"costs \$(\S+)\.", r"an edit counts for \$([\d.]+)", r"an extension by 6 s for \$([\d.]+)\."]
    for ticks, word in zip(estimates, words, strict=True):
        assert ticks is not None
        (found,) = re.findall(word, text.replace("\n", " "))
        assert f"{prices.usd(ticks):.2f}" == found
