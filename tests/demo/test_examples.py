"""The example DAGs as the demo tells of them."""

from __future__ import annotations

from airflow_provider_grok.demo.examples import descriptions, example_dags


def test_every_example_says_in_a_sentence_what_it_is_for() -> None:
    found = descriptions()
    assert found.keys() == {file.stem for file in example_dags().glob("*.py")}
    assert [name for name, text in found.items() if not text.endswith(".") or len(text) < 20] == []
