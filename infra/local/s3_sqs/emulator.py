"""S3 and SQS on this machine: LocalStack in host mode, ministack, or an external endpoint that the user provides.

An emulator loses everything at a restart. Whatever must last is in PostgreSQL.
"""

from __future__ import annotations

import http.client
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from infra.local.aws import ACCESS_KEY_ID, ACCOUNT_ID, REGION, SECRET_ACCESS_KEY, Endpoint
from infra.local.backing import overridden
from infra.local.errors import EmulatorFailed
from infra.local.options import Options
from infra.local.processes.child import Child, Program
from infra.local.processes.deadline import TookTooLong, wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK, free_port
from infra.local.processes.private_file import make_private_directory
from infra.local.s3_sqs import installation, leftovers
from infra.local.s3_sqs.installation import Distribution
from infra.local.s3_sqs.request_guard import HEALTH_PATH, HOSTS, ORIGINS

HTTP_PORT = 80
READY_SECONDS_MAX = 60.0
"""LocalStack takes 2 s; 8 s when Python compiles it for the first time."""
PROBE_SECONDS_MAX = 2.0
STOP_SECONDS_MAX = 5.0
STOP_SIGNAL = "KILL"
"""LocalStack keeps nothing, but would take 2 s to shut down in order."""
LOCALSTACK_LAUNCHER = Path(__file__).with_name("localstack_launcher.py")
MINISTACK_LAUNCHER = Path(__file__).with_name("ministack_launcher.py")
LOG_NAME = "emulator"


class Emulator:
    """S3 and SQS, perhaps not ready yet. An external one has no `child`: it is neither started nor stopped here."""

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        child: Child | None,
        root: Path,
        logbook: LogBook,
        say: Callable[[str], None],
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.child = child
        self._root = root
        self._logbook = logbook
        self._say = say

    @property
    def port(self) -> int | None:
        """The port of an emulator that was started here; else None."""
        return urlsplit(self.endpoint.url).port if self.child else None

    def wait_ready(self) -> None:
        """Waits until it answers. Raises EmulatorFailed."""
        try:
            wait_until(self._answers, READY_SECONDS_MAX, "emulator ready")
        except TookTooLong:
            raise EmulatorFailed(
                f"the emulator does not answer after {READY_SECONDS_MAX:g} s; the end of its log:\n"
                f"{self._logbook.tail(LOG_NAME)}"
            ) from None

    def stop(self) -> None:
        """Stops an emulator that was started here, and removes its files, which are useless without it."""
        if self.child is not None:
            self.child.stop()
            # A killed tether has not stopped the emulator.
            leftovers.clear(self._root, self._say)
            shutil.rmtree(self._root, ignore_errors=True)

    def _answers(self) -> bool:
        status = _status(self.endpoint)
        if self.child is None and status is None:
            raise EmulatorFailed(f"nothing answers at AWS_ENDPOINT_URL={self.endpoint.url}: start the emulator first")
        if self.child is not None and self.child.exit_status() is not None:
            raise EmulatorFailed(
                f"the emulator ended as soon as it started; the end of its log:\n{self._logbook.tail(LOG_NAME)}"
            )
        # An external server need not have this health page.
        return status == http.client.OK or self.child is None


def start(options: Options, logbook: LogBook, say: Callable[[str], None], last_port: int | None = None) -> Emulator:
    """Starts the emulator that the options name, unless it is external. It is not ready yet. Raises EmulatorFailed."""
    root = options.data_dir / "emulator"
    if options.endpoint_url is not None:
        return Emulator("external", Endpoint(options.endpoint_url), None, root, logbook, say)
    distribution = _distribution(options.emulator, say)
    leftovers.clear(root, say)
    port = options.emulator_port or free_port(last_port)
    child = Child(_program(distribution, root, port, overridden(options)["UiOrigins"]), logbook)
    return Emulator(distribution.name, Endpoint(f"http://{LOOPBACK}:{port}"), child, root, logbook, say)


def _distribution(name: str | None, say: Callable[[str], None]) -> Distribution:
    chosen = installation.BY_NAME[name] if name else installation.installed()
    if chosen is None or not chosen.is_installed():
        raise EmulatorFailed(f"{name or 'an emulator of S3 and SQS'} is not installed: run `make emulator`")
    if name is None and chosen is installation.MINISTACK:
        say("LocalStack is not installed: using ministack instead (EMULATOR=ministack)")
    return chosen


def _program(distribution: Distribution, root: Path, port: int, origins: str) -> Program:
    # Files of a killed emulator are useless: their names were in its memory.
    shutil.rmtree(root, ignore_errors=True)
    temporary = root / "tmp"
    temporary.mkdir(parents=True)
    # Kept at restarts: otherwise LocalStack would search for its plug-ins every time.
    cache = root.with_name("cache")
    for directory in (root, cache):
        make_private_directory(directory)
    environment = {
        "PATH": os.defpath,
        "HOME": str(root),
        "XDG_CACHE_HOME": str(cache),
        "TMPDIR": str(temporary),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "PYTHONUNBUFFERED": "1",
        "SERVICES": "s3,sqs",
        HOSTS: ",".join(_own_hosts(port)),
        ORIGINS: origins,
    }
    if distribution is installation.LOCALSTACK:
        return Program(
            name=LOG_NAME,
            command=[distribution.python, "-W", "ignore", LOCALSTACK_LAUNCHER],
            environment=environment | _localstack_environment(root, port),
            stop_signal=STOP_SIGNAL,
            grace_seconds=STOP_SECONDS_MAX,
        )
    return Program(
        name=LOG_NAME,
        command=[distribution.python, MINISTACK_LAUNCHER],
        environment=environment | ministack_environment(port),
        grace_seconds=STOP_SECONDS_MAX,
    )


def _own_hosts(port: int) -> list[str]:
    """The Host headers of clients that use the emulator's own address."""
    names = [LOOPBACK, "localhost"]
    # Clients leave the default port out.
    return [f"{name}:{port}" for name in names] + (names if port == HTTP_PORT else [])


def _localstack_environment(root: Path, port: int) -> dict[str, str]:
    return {
        "FILESYSTEM_ROOT": str(root / "files"),
        "GATEWAY_LISTEN": f"{LOOPBACK}:{port}",
        "LOCALSTACK_HOST": f"{LOOPBACK}:{port}",
        # Queue URLs contain this host, not a name that only DNS can resolve.
        "SQS_ENDPOINT_STRATEGY": "path",
        "EAGER_SERVICE_LOADING": "1",
        "STRICT_SERVICE_LOADING": "1",
        # As on AWS: altered and expired presigned links are refused.
        "S3_SKIP_SIGNATURE_VALIDATION": "0",
        # No telemetry, no downloads, no DNS server.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "LS_LOG": "warning",
    }


def ministack_environment(port: int) -> dict[str, str]:
    """The settings of ministack: loopback only, our account, no protocols besides HTTP."""
    return {
        "BIND_HOST": LOOPBACK,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def _status(endpoint: Endpoint) -> int | None:
    """The status of the health page; None when nothing answers."""
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc, timeout=PROBE_SECONDS_MAX)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
