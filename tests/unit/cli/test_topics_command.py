"""`rtrec topics create`: what it prints, and how it exits."""

import json
from collections.abc import Mapping

from click.testing import CliRunner, Result

from rtrec import cli


def create(environ: Mapping[str, str], *options: str) -> Result:
    return CliRunner().invoke(cli.main, ["topics", "create", *options], env=environ)


def test_topics_are_made_once_and_then_stand(kafka: str, namespace: str) -> None:
    environ = {"RTREC_KAFKA": kafka, "RTREC_CLUSTER_NAMESPACE": namespace, "RTREC_CLUSTER_PARTITIONS": "2"}
    for options, status in ((("--dry-run",), "missing"), ((), "created"), ((), "stands"), (("--dry-run",), "stands")):
        result = create(environ, *options)
        document = json.loads(result.stdout)
        assert (result.exit_code, document["ok"], document["dry_run"]) == (0, True, bool(options))
        assert {topic["status"] for topic in document["topics"]} == {status}
        counts = {topic["topic"].removeprefix(namespace): topic["partitions"] for topic in document["topics"]}
        assert (counts["events"], counts["user_events"], counts["control"]) == (2, 2, 1)


def test_what_the_stages_cannot_work_with_is_a_failure(kafka: str, namespace: str) -> None:
    environ = {"RTREC_KAFKA": kafka, "RTREC_CLUSTER_NAMESPACE": namespace, "RTREC_CLUSTER_PARTITIONS": "2"}
    create(environ)
    result = create(environ | {"RTREC_CLUSTER_PARTITIONS": "3"})
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    topics = {topic["topic"].removeprefix(namespace): topic for topic in document["topics"]}
    assert topics["user_events"]["differences"] == [{"what": "partitions", "wanted": "3", "found": "2", "fatal": True}]
    assert (topics["events"]["ok"], topics["control"]["ok"]) == (True, True)


def test_without_a_cluster_it_is_wrong_usage() -> None:
    result = create({"RTREC_KAFKA": ""})
    assert result.exit_code == 2
    assert "RTREC_KAFKA" in result.output


def test_a_broker_that_is_away_is_a_failure_in_one_line() -> None:
    result = create({"RTREC_KAFKA": "127.0.0.1:1"})
    assert result.exit_code == 1
    assert result.output.startswith("Error: 127.0.0.1:1: no broker answers")


def test_a_namespace_that_is_none_is_a_failure_in_one_line(kafka: str) -> None:
    result = create({"RTREC_KAFKA": kafka, "RTREC_CLUSTER_NAMESPACE": "a/b"})
    assert result.exit_code == 1
    assert "cluster.namespace" in result.output
