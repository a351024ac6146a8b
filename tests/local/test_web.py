"""The web server: what it serves and what it refuses."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.limits import KIB
from functions.api import etags
from infra.gateway_texts import UNAUTHORIZED
from infra.local.processes.deadline import wait_until
from infra.local.processes.ports import LOOPBACK, free_port, is_free, listen
from infra.local.site import connections, sign_ins, static_files
from infra.local.site.authorizer import Authorizer
from infra.local.site.gateway import RESPONSE_BYTES_MAX
from infra.local.site.server import BODY_BYTES_MAX, Site, WebServer
from infra.local.site.static_files import StaticFiles
from tests.local.conftest import Standin

UPLOADS_TO = "http://127.0.0.1:4566/files/"
RESPONSE_SECONDS_MAX = 20.0
JSON = "application/json"
HELD = 110
"""Connections that are held open: more than the 100 that waitress accepts by default."""
DRIP_SECONDS = 0.1


@dataclass
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document that the body must be."""
        assert self.headers["Content-Type"] == "application/problem+json"
        content: dict[str, Any] = json.loads(self.body)
        assert content["type"] == "about:blank"
        assert content["status"] == self.status
        assert content["title"]
        assert content["detail"]
        return content


@dataclass
class Server:
    """A running web server."""

    port: int
    directory: Path

    def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        """Sends one request, with the target exactly as given."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=RESPONSE_SECONDS_MAX)
        try:
            connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server without an API."""
    yield from _serve(tmp_path, None)


@pytest.fixture
def api_server(tmp_path: Path, standin: Standin) -> Iterator[Server]:
    """A server with the stand-in's API."""
    yield from _serve(tmp_path, standin)


def _serve(tmp_path: Path, standin: Standin | None) -> Iterator[Server]:
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "index.html").write_text("<h1>page</h1>")
    (directory / "main.js").write_text("let x")
    (directory / ".hidden").write_text("no")
    (tmp_path / "secret.txt").write_text("secret")
    (directory / "link.txt").symlink_to(tmp_path / "secret.txt")
    port = free_port()
    pools = standin.events.pools if standin else {}
    authorizer = Authorizer(pools["authorize"]) if standin else None
    web = WebServer(Site(port, StaticFiles(directory), pools.get("api_handler"), UPLOADS_TO, authorizer), listen(port))
    web.start()
    yield Server(port, directory)
    web.stop()
    assert is_free(port)


def test_it_stops_even_if_its_loop_is_already_awake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    web = WebServer(Site(port, StaticFiles(tmp_path), None, UPLOADS_TO), listen(port))
    trigger = web._server.trigger
    pull = trigger._physical_pull

    def pull_late() -> None:
        pull()  # A thread that has just answered woke the loop first.
        if not trigger.lock.locked():
            web._thread.join(RESPONSE_SECONDS_MAX)
        pull()

    monkeypatch.setattr(trigger, "_physical_pull", pull_late)
    web.start()
    web.stop()
    assert is_free(port)


def test_the_page_has_strict_headers(server: Server) -> None:
    reply = server.ask("GET", "/")
    assert (reply.status, reply.body) == (200, b"<h1>page</h1>")
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {UPLOADS_TO}; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert server.ask("GET", "/main.js").headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_an_unchanged_page_is_checked_but_not_sent_again(server: Server) -> None:
    reply = server.ask("GET", "/index.html")
    assert reply.headers["Cache-Control"] == "no-cache"
    tag = reply.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = server.ask("GET", "/index.html", If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
    assert server.ask("GET", "/index.html", If_None_Match=tag.strip('"')).status == 200
    (server.directory / "index.html").write_text("changed")
    assert server.ask("GET", "/index.html", If_None_Match=reply.headers["ETag"]).body == b"changed"


def test_the_guides_of_the_project_are_sent_as_text(server: Server) -> None:
    assert server.ask("GET", "/webhooks.txt").status == 404
    guide = server.directory.parent / "docs" / "webhooks.md"
    guide.parent.mkdir()
    guide.write_text("# Receiving webhooks")
    reply = server.ask("GET", "/webhooks.txt")
    assert (reply.status, reply.body) == (200, b"# Receiving webhooks")
    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert server.ask("GET", "/webhooks.txt/").status == 404


@pytest.mark.parametrize(
    "header",
    [
        '"a"',
        'W/"a"',
        '"b","a"',
        ', "b" ,, W/"a" ,',
        " * ",
        '"a,b"',
        "a",
        "",
        '"a',
        '"a" "a"',
        'w/"a"',
        '"a", *',
        'x, "a"',
    ],
)
def test_if_none_match_is_read_as_by_the_api(header: str) -> None:
    assert static_files._names(header, '"a"') is etags.is_known('"a"', header)


def test_browsers_get_a_page_where_no_file_is_and_programs_a_problem(server: Server) -> None:
    (server.directory / "not-found.html").write_text("<h1>Page not found</h1>")
    for target in ("/products", "/a/b.html", "/%00"):
        page = server.ask("GET", target, Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        assert (page.status, page.body) == (404, b"<h1>Page not found</h1>")
        assert (page.headers["Content-Type"], page.headers["Vary"]) == ("text/html; charset=utf-8", "Accept")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        for accept in ("*/*", "application/json"):
            assert server.ask("GET", target, Accept=accept).problem["code"] == "not_found"


def test_the_api_never_answers_with_a_page(api_server: Server) -> None:
    (api_server.directory / "not-found.html").write_text("<h1>Page not found</h1>")
    assert api_server.ask("GET", "/api/nothing", Accept="text/html").problem["code"] == "not_found"


def test_text_is_compressed_for_clients_that_accept_it(server: Server) -> None:
    plain = server.ask("GET", "/main.js", Accept_Encoding="identity")
    packed = server.ask("GET", "/main.js", Accept_Encoding="br, gzip")
    assert (plain.headers["Content-Encoding"], packed.headers["Content-Encoding"]) == (None, "gzip")
    assert gzip.decompress(packed.body) == plain.body == b"let x"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert packed.headers["Vary"] == "Accept-Encoding"
    again = server.ask("GET", "/main.js", Accept_Encoding="gzip", If_None_Match=packed.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_files_in_directories_are_served_with_their_types(server: Server) -> None:
    (server.directory / "pages").mkdir()
    (server.directory / "pages" / "one.js").write_text("let y")
    (server.directory / "example.csv").write_text("sku,name")
    reply = server.ask("GET", "/pages/one.js")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert server.ask("GET", "/example.csv").headers["Content-Type"] == "text/csv; charset=utf-8"
    assert server.ask("GET", "/pages/../../secret.txt").status == 404
    assert server.ask("GET", "/pages/").status == 404


def test_head_returns_the_headers_without_the_body(server: Server) -> None:
    reply = server.ask("HEAD", "/")
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "13")


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/..%5csecret.txt",
        "//etc/passwd",
        "/%00",
        "/.hidden",
        "/link.txt",
        "/missing.html",
        "/main.js/",
        "/" + "x" * 5000,
        "/%252e%252e/secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ef%bc%8e%ef%bc%8e/secret.txt",
        "/....//secret.txt",
        "/..;/secret.txt",
        "/.%00./secret.txt",
        "/main.js%00.html",
        "/main.js%2f..%2f..%2fsecret.txt",
        "/..\\secret.txt",
        "/%2fetc/passwd",
        "/./.hidden",
        "/%2ehidden",
        "/api/../../secret.txt",
        "/file:///etc/passwd",
        "/C:/secret.txt",
        "/~root",
        "/.git/config",
        "/%",
        "/%zz",
        "/index.html%20",
        "/INDEX.HTML",
    ],
)
def test_nothing_outside_the_directory_is_served(server: Server, target: str) -> None:
    reply = server.ask("GET", target)
    assert reply.status == 404
    assert b"secret" not in reply.body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost.evil.example:{port}"])
def test_foreign_host_headers_are_refused(server: Server, host: str) -> None:
    reply = server.ask("GET", "/", Host=host.format(port=server.port))
    assert reply.status == 421
    assert reply.problem["code"] == "misdirected_request"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "", "user@127.0.0.1:{port}"])
def test_foreign_hosts_in_the_target_are_refused(server: Server, host: str) -> None:
    """The absolute form, as sent to proxies: its host takes precedence over the Host header."""
    reply = server.ask("GET", f"http://{host.format(port=server.port)}/")
    assert (reply.status, reply.problem["code"]) == (421, "misdirected_request")
    assert server.ask("GET", f"http://127.0.0.1:{server.port}/main.js").body == b"let x"


@pytest.mark.parametrize(
    "head",
    [
        "GET /main.js HTTP/1.1",
        "GET /main.js HTTP/1.1\r\nHost:",
        "GET /main.js HTTP/1.1\r\nHost: evil.example\r\nHost: {ours}",
        "GET /main.js HTTP/1.1\r\nHost: {ours}\r\nHost: evil.example",
        "GET /main.js HTTP/1.1\r\nHost: {ours}, evil.example",
        "GET /main.js HTTP/1.1\r\nHost: {ours}@evil.example",
        "GET /main.js HTTP/1.1\r\nHost: evil.example#@{ours}",
        "GET /main.js HTTP/1.1\r\nHost: evil.example/{ours}",
        "GET /main.js HTTP/1.1\r\nHost: {ours}.",
        "GET /main.js HTTP/1.1\r\nHost: {ours}\0evil.example",
        "GET /main.js HTTP/1.1\r\nHost: 0x7f000001",
        "GET /main.js HTTP/1.1\r\nHost : {ours}",
        "GET /main.js HTTP/1.1\r\nX-Forwarded-Host: {ours}\r\nForwarded: host={ours}\r\nHost: evil.example",
        "GET http://evil.example/main.js HTTP/1.1\r\nHost: {ours}",
        "GET //evil.example/main.js HTTP/1.1\r\nHost: {ours}",
        "GET https:{ours}/main.js HTTP/1.1\r\nHost: {ours}",
        "GET * HTTP/1.1\r\nHost: {ours}",
        "OPTIONS * HTTP/1.1\r\nHost: {ours}",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: {ours}",
        "TRACE / HTTP/1.1\r\nHost: {ours}",
        "GET  /main.js  HTTP/1.1\r\nHost: {ours}",
        "GET /main.js\tHTTP/1.1\r\nHost: {ours}",
        "GET\0 /main.js HTTP/1.1\r\nHost: {ours}",
        "GET /main.js HTTP/1.1 x\r\nHost: {ours}",
        "get /main.js HTTP/1.1\r\nHost: {ours}",
    ],
)
def test_a_request_that_may_be_meant_for_another_host_gets_nothing(server: Server, head: str) -> None:
    raw = head.replace("{ours}", f"{LOOPBACK}:{server.port}") + "\r\n\r\n"
    with connect(server, raw.encode()) as sent:
        sent.shutdown(socket.SHUT_WR)
        response = b"".join(iter(lambda: sent.recv(65536), b""))
    assert b"let x" not in response
    assert b" 200 " not in response


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_our_own_host_headers_are_accepted(server: Server, host: str) -> None:
    assert server.ask("GET", "/", Host=f"{host}:{server.port}").status == 200


def test_foreign_host_headers_do_not_reach_the_api(api_server: Server, standin: Standin) -> None:
    for host in ("evil.example", f"evil.example:{api_server.port}", "169.254.169.254"):
        reply = api_server.ask("GET", "/api/things/x", Authorization="known", Host=host)
        assert (reply.status, reply.problem["code"]) == (421, "misdirected_request")
    assert standin.seen("api") == []


def connect(server: Server, sent: bytes) -> socket.socket:
    connection = socket.create_connection((LOOPBACK, server.port), RESPONSE_SECONDS_MAX)
    connection.sendall(sent)
    return connection


def is_closed_after_a_byte(connection: socket.socket) -> bool:
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/open HTTP/1.1\r\nHost:", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_idle_and_half_sent_requests_do_not_stop_others(api_server: Server, sent: bytes) -> None:
    with ExitStack() as held:
        for _ in range(HELD):
            held.enter_context(connect(api_server, sent))
        assert api_server.ask("GET", "/api/open").status == 303


def test_a_silent_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDLE_SECONDS_MAX", "CLOSING_SECONDS"):
        monkeypatch.setattr(connections, name, 1)
    for server in _serve(tmp_path, None):
        for sent in (b"", b"GET / HTTP/1.1\r\nHost:"):
            with connect(server, sent) as silent:
                assert silent.recv(1) == b""


def test_a_request_that_takes_too_long_to_arrive_ends_its_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS_MAX", 1)
    with connect(server, b"GET / HTTP/1.1\r\nX-Slow: ") as slow:
        slow.settimeout(DRIP_SECONDS)
        wait_until(lambda: is_closed_after_a_byte(slow), RESPONSE_SECONDS_MAX, "the connection closed")


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n",
    ],
)
def test_a_request_of_ambiguous_length_is_refused_and_ends_its_connection(server: Server, head: bytes) -> None:
    host = f"Host: {LOOPBACK}:{server.port}\r\n\r\n".encode()
    with connect(server, head + host + b"0\r\n\r\nGET /main.js HTTP/1.1\r\n" + host) as sent:
        response = b"".join(iter(lambda: sent.recv(65536), b""))
    assert response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"let x" not in response


def test_a_chunked_request_keeps_its_connection(server: Server) -> None:
    host = f"Host: {LOOPBACK}:{server.port}\r\n".encode()
    with connect(server, b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + host + b"\r\n0\r\n\r\n") as sent:
        sent.sendall(b"GET /main.js HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n")
        response = b"".join(iter(lambda: sent.recv(65536), b""))
    assert response.count(b"HTTP/1.1 200 OK") == 2


def test_pages_cannot_be_written(server: Server) -> None:
    reply = server.ask("POST", "/", b"x")
    assert reply.problem["code"] == "method_not_allowed"
    assert reply.headers["Allow"] == "GET, HEAD"


def test_a_request_reaches_the_view_unchanged(api_server: Server, standin: Standin) -> None:
    body = '{"ä": 1}'.encode()
    reply = api_server.ask("POST", "/api/things/a%20b?q=1&q=2", body, Authorization="known", Content_Type=JSON)
    # As with API Gateway, path parameters are not decoded.
    assert json.loads(reply.body) == {"thing": "a%20b", "method": "POST", "body": body.decode()}
    assert standin.seen("api")[0]["query"] == {"q": "2"}
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    redirect = api_server.ask("GET", "/api/open")
    assert (redirect.status, redirect.headers["Location"]) == (303, "http://elsewhere")
    head = api_server.ask("HEAD", "/api/things/x", Authorization="known")
    assert (head.status, head.body) == (200, b"")


def test_errors_of_the_api_are_problem_documents(api_server: Server) -> None:
    for token, status, code in (
        ("unknown", 401, "unauthorized"),
        ("other", 403, "forbidden"),
        ("broken", 502, "function_failed"),
    ):
        reply = api_server.ask("GET", "/api/things/x", Authorization=token)
        assert (reply.status, reply.problem["code"]) == (status, code)
    assert api_server.ask("GET", "/api/things/x").problem["detail"] == UNAUTHORIZED
    assert api_server.ask("GET", "/api/open", Authorization="broken").status == 303
    assert api_server.ask("GET", "/api/nothing").problem["code"] == "not_found"
    wrong_method = api_server.ask("DELETE", "/api/things/x", Authorization="known")
    assert (wrong_method.status, wrong_method.headers["Allow"]) == (405, "GET, POST")
    assert wrong_method.problem["code"] == "method_not_allowed"


def test_an_address_that_tries_many_tokens_has_to_wait_before_the_api_is_asked(
    api_server: Server, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def things(token: str) -> Reply:
        return api_server.ask("GET", "/api/things/x", Authorization=token)

    assert things("known").status == 200
    monkeypatch.setattr(sign_ins, "FAILED_SIGN_INS_PER_MINUTE_MAX", 1)
    assert [things("unknown").status for _ in range(3)] == [401, 401, 401], "the same token counts once"

    for path in ("/api/things/x", "/api/open", "/api/nothing"):
        refused = api_server.ask("GET", path, Authorization="next")
        assert (refused.status, refused.problem["code"]) == (429, "too_many_failed_sign_ins")
        assert 0 < int(refused.headers["Retry-After"]) <= 60

    assert things("known").status == 200, "an accepted token is not held up"
    assert api_server.ask("GET", "/api/open").status == 303, "without a token, nothing is tried"
    assert len(standin.seen("api")) == 2


@pytest.mark.parametrize(("path", "status"), [("/api/open", 303), ("/api/nothing", 404), ("/api/things/x", 502)])
def test_only_the_authorizer_says_that_a_token_is_good(
    api_server: Server, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    """Otherwise a guess that was sent to an open route first would not be limited."""
    assert api_server.ask("GET", path, Authorization="broken").status == status
    monkeypatch.setattr(sign_ins, "FAILED_SIGN_INS_PER_MINUTE_MAX", 1)
    assert api_server.ask("GET", "/api/things/x", Authorization="unknown").status == 401
    assert api_server.ask("GET", "/api/things/x", Authorization="broken").status == 429


def test_a_request_without_a_valid_token_is_logged_with_its_address(api_server: Server, standin: Standin) -> None:
    api_server.ask("GET", "/api/things/x?q=private", Authorization="unknown")
    api_server.ask("POST", "/api/things/y")
    log = standin.logs / "api_handler.log"
    wait_until(lambda: log.read_text().count("without a valid token") == 2, RESPONSE_SECONDS_MAX, "both log lines")
    assert "private" not in log.read_text()


def test_bodies_that_are_too_large_are_refused(api_server: Server) -> None:
    accepted = api_server.ask("POST", "/api/things/x", b"x" * BODY_BYTES_MAX, Authorization="known", Content_Type=JSON)
    assert accepted.status == 200
    refused = api_server.ask("POST", "/api/things/x", b"x" * (BODY_BYTES_MAX + 1), Authorization="known")
    assert (refused.status, refused.problem["code"]) == (413, "body_too_large")


def test_a_response_larger_than_lambda_returns_is_an_error(api_server: Server, standin: Standin) -> None:
    """Its size counts as a string in JSON. A control character takes seven bytes there."""
    fits = RESPONSE_BYTES_MAX // len(r"\\u0001") - KIB
    headers = {"Authorization": "known", "Content_Type": JSON}
    reply = api_server.ask("POST", "/api/things/x", b"\x01" * fits, **headers)
    assert (reply.status, json.loads(reply.body)["body"]) == (200, "\x01" * fits)

    reply = api_server.ask("POST", "/api/things/x", b"\x01" * (fits + KIB), **headers)
    assert (reply.status, reply.problem["code"]) == (502, "function_failed")
    expected = f"Lambda returns at most {RESPONSE_BYTES_MAX:,}"
    assert expected in reply.problem["detail"]
    log = standin.logs / "api_handler.log"
    wait_until(lambda: expected in log.read_text(), RESPONSE_SECONDS_MAX, "the log line")


def test_an_api_that_hangs_or_crashes_is_answered_with_an_error(api_server: Server) -> None:
    hanging = api_server.ask("GET", "/api/things/hang", Authorization="known")
    assert (hanging.status, hanging.problem["code"]) == (504, "timed_out")
    crashing = api_server.ask("GET", "/api/things/crash", Authorization="known")
    assert (crashing.status, crashing.problem["code"]) == (502, "function_failed")
    assert api_server.ask("GET", "/api/things/x", Authorization="known").status == 200
