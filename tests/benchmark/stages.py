"""Where the time of an import goes: its functions run in this process, with a clock around every stage.

The functions themselves contain no measuring code: what they call (the file store, the row rules, each named query) is
wrapped during the measurement.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from chalicelib.backends import migrations
from chalicelib.backends.database import Database, Transaction
from chalicelib.backends.s3 import S3FileStore
from chalicelib.backends.sqs import SqsQueues
from chalicelib.csvfile.boundaries import Splitter
from chalicelib.csvfile.header import read_header
from chalicelib.csvfile.rows import read_rows
from chalicelib.importing import chunk_rows, copy_text, plain_copy, splitting
from chalicelib.limits import CHUNK_BYTES, HEADER_BYTES_MAX, SCAN_BLOCK_BYTES
from infra.local.testing import backing_services
from tests.benchmark.report import Bench, emptied
from tests.support.pipeline import Pipeline

UPSERTS = {"merge_incoming", "upsert_incoming"}


class Clock:
    """Seconds by stage. The time of a stage does not include the stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time of the block to a stage."""
        started = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + spent - self._inner.pop()
            self._inner[-1] += spent

    def around(self, name: str | Callable[..., str], function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function with its time added to a stage; `name` may depend on the arguments."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name if isinstance(name, str) else name(*args)):
                return function(*args, **kwargs)

        return timed


def measure(pipeline: Pipeline, file: Path) -> dict[str, float]:
    """Imports a file chunk by chunk with a single worker. Returns seconds by stage, in the order of work."""
    clock = Clock()
    import_id = pipeline.upload(file.read_bytes())
    event = pipeline.receive("uploads", wait_seconds=1)
    assert event is not None
    with _wrapped(clock):
        with clock.stage("split: the rest"):
            pipeline.deliver("split_upload", event)
        messages = pipeline.chunks()
        with clock.stage("upsert: the rest"):
            for message in messages:
                pipeline.deliver("upsert_chunk", message)
    assert pipeline.show(import_id)["status"] == "completed"
    return clock.seconds


def scan_megabytes_per_second(file: Path) -> float:
    """Returns how fast the splitter cuts a file that is already in memory."""
    data = file.read_bytes()
    header = read_header(data[:HEADER_BYTES_MAX], is_whole=len(data) <= HEADER_BYTES_MAX)
    splitter = Splitter(header.delimiter, header.end, header.lines + 1, CHUNK_BYTES)
    started = time.perf_counter()
    for at in range(header.end, len(data), SCAN_BLOCK_BYTES):
        for _ in splitter.feed(data[at : at + SCAN_BLOCK_BYTES]):
            pass
    for _ in splitter.finish():
        pass
    return len(data) / (time.perf_counter() - started) / 1_000_000


def parse_seconds(file: Path) -> dict[str, float]:
    """Returns what the rows of a file cost a worker in this process: parsing and validating, and encoding for COPY."""
    data = file.read_bytes()
    header = read_header(data[:HEADER_BYTES_MAX], is_whole=len(data) <= HEADER_BYTES_MAX)
    splitter = Splitter(header.delimiter, header.end, header.lines + 1, CHUNK_BYTES)
    chunks = [*splitter.feed(data[header.end :]), *splitter.finish()]

    def rows(chunk: Any) -> Iterator[Any]:
        piece = data[chunk.start : chunk.end]
        return read_rows(piece, header, chunk.first_line, lambda _: None, regular=chunk.regular)

    started = time.perf_counter()
    for chunk in chunks:
        for _ in rows(chunk):
            pass
    parsed = time.perf_counter()
    for chunk in chunks:
        copy_text.encode(rows(chunk), holds_delimiter=False)
    encoded = time.perf_counter()
    return {"decode, parse, validate": parsed - started, "encode": encoded - parsed - (parsed - started)}


@contextmanager
def _wrapped(clock: Clock) -> Iterator[None]:
    with ExitStack() as patches:

        def patch(target: Any, name: str, stage: str | Callable[..., str]) -> None:
            patches.enter_context(mock.patch.object(target, name, clock.around(stage, getattr(target, name))))

        patch(S3FileStore, "read", "transfer from S3")
        patch(SqsQueues, "send", "send messages")
        patch(copy_text, "encode", "decode, parse, validate, encode")
        patch(plain_copy, "read", "decode, parse, validate, encode")
        patch(chunk_rows, "_copy", "COPY")
        for method in ("run", "one", "row", "value", "exists", "all", "many"):
            patch(Transaction, method, _query_stage)
        patches.enter_context(mock.patch.object(S3FileStore, "blocks", _timed_blocks(clock, S3FileStore.blocks)))
        patches.enter_context(mock.patch.object(splitting, "Splitter", _timed_splitter(clock)))
        timed = _timed_transaction(clock, Database.transaction)
        patches.enter_context(mock.patch.object(Database, "transaction", timed))
        yield


def _query_stage(_transaction: Transaction, name: str, *_: Any) -> str:
    if name in UPSERTS:
        return "upsert"
    return "COPY" if name in {"create_incoming", "any_incoming"} else "small queries"


def _timed_blocks(clock: Clock, blocks: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    def timed(*args: Any) -> Iterator[bytes]:
        iterator = blocks(*args)
        while True:
            with clock.stage("transfer from S3"):
                block = next(iterator, None)
            if block is None:
                return
            yield block

    return timed


def _timed_splitter(clock: Clock) -> type[Splitter]:
    class Timed(Splitter):
        def feed(self, block: bytes) -> Iterator[Any]:
            with clock.stage("scan"):
                chunks = list(super().feed(block))
            return iter(chunks)

        def finish(self) -> Iterator[Any]:
            with clock.stage("scan"):
                chunks = list(super().finish())
            return iter(chunks)

    return Timed


def _timed_transaction(clock: Clock, transaction: Callable[..., Any]) -> Callable[..., Any]:
    """Times begin and commit: what is left of a transaction without its queries and the caller's own time."""

    @contextmanager
    def timed(database: Database, **options: Any) -> Iterator[Transaction]:
        manager = transaction(database, **options)
        with clock.stage("begin and commit"):
            entered = manager.__enter__()
        try:
            yield entered
        except BaseException as error:
            if not manager.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            with clock.stage("begin and commit"):
                manager.__exit__(None, None, None)

    return timed


def budget(bench: Bench) -> None:
    """Where the time goes, stage by stage, with one worker and no parallelism."""
    from functions.composition import backends

    directory = bench.directory / "services"
    with backing_services(emptied(directory)) as services:
        os.environ.update(services.environment)
        migrations.migrate(services.owner_conninfo)
        from tests.support.pipeline import new_pipeline  # imports app.py, which reads the environment

        pipeline = new_pipeline(services)
        runs = []
        for _ in range(bench.runs):
            pipeline.reset()
            pipeline.sql("checkpoint")
            runs.append(measure(pipeline, bench.file("plain")))
        backends().database.close()
    medians = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    total = sum(medians.values())
    lines = [[stage, seconds, f"{seconds / total:.0%}"] for stage, seconds in medians.items()]
    bench.show("Time by stage, one worker", ["stage", "seconds", "share"], [*lines, ["all", total, "100%"]])
