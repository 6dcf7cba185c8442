"""`airflow-grok batches`: lists, shows and cancels."""

from __future__ import annotations

import json

from airflow_provider_grok.api import batches
from airflow_provider_grok.hooks.grok import GrokHook
from tests.cli.conftest import Grok
from tests.dag_run import RunDag


def test_batches_are_listed_shown_and_cancelled(grok: Grok, run_dag: RunDag) -> None:
    run_dag.sandbox.clock.rate = 0
    hook = GrokHook()
    first, second = (hook.run(batches.create(name)).batch_id for name in ("shop.night", "other"))
    listed = grok("batches", "--match", "shop.*")
    assert [line.split()[:3] for line in listed.out[1:-1]] == [[first, "shop.night", "empty"]]
    assert listed.out[-1] == "1 batches, 0.00 USD so far."
    rows = [json.loads(line) for line in grok("batches", "list", "--state", "empty", "--json").out]
    assert {row["batch_id"] for row in rows} == {first, second}
    fields = dict(line.split(None, 1) for line in grok("batches", "show", first).out)
    assert (fields["batch_id"], fields["state"], fields["requests"]) == (first, "empty", "0")
    refused = grok("batches", "cancel", "--match", "shop.*")
    assert (refused.code, "nothing was done" in refused.err) == (2, True)
    done = grok("batches", "cancel", "--match", "shop.*", "--yes")
    assert (done.code, done.out[-1]) == (0, f"cancelled {first}")
    assert {one.batch_id for one in hook.run(batches.listing()) if one.cancel_time} == {first}
    assert grok("batches", "cancel", "--match", "shop.*", "--yes").out[-1] == "No batch to cancel."


def test_a_batch_that_is_not_there_is_told_in_words(grok: Grok) -> None:
    missing = grok("batches", "show", "batch_none")
    assert missing.code == 1
    assert "batch_none" in missing.err
