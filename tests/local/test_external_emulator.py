"""EMULATOR=external: the stack on an S3 and SQS that somebody else runs, which it neither starts nor stops."""

from __future__ import annotations

from pathlib import Path

from infra.local import options
from infra.local.processes.logbook import LogBook
from infra.local.s3_sqs import emulator
from infra.local.testing import running_stack


def test_stack_runs_on_an_endpoint_that_it_was_given(tmp_path: Path) -> None:
    logbook = LogBook(tmp_path / "logs", lambda _: None)
    running = emulator.start(options.read({"DATA_DIR": str(tmp_path)}), logbook, lambda _: None)
    try:
        running.wait_ready()
        given = {"EMULATOR": "external", "AWS_ENDPOINT_URL": running.endpoint.url}
        with running_stack(tmp_path / "stack", **given) as stack:
            assert stack.file.emulator == "external"
            assert stack.file.s3_endpoint_url == running.endpoint.url
            assert "emulator" not in stack.file.pids
        # Still there after the stack has stopped, with everything in it.
        assert [bucket["Name"] for bucket in running.endpoint.s3().list_buckets()["Buckets"]] == [stack.file.bucket]
    finally:
        running.stop()
        logbook.close()
