"""The site as CloudFront serves it from its private bucket.

Paths that CloudFront forwards to the API are left out: the emulator would connect to API Gateway on AWS.
"""

from __future__ import annotations

import posixpath
import re

import pytest
import requests

from infra.deploy import deployment, stacks
from infra.deploy import site as deployed_site
from infra.site_files import security_headers
from tests.cloud.deployed import STAGE, Deployed

API = {"api/openapi.json"}


class Site:
    """A distribution that is requested in the way a browser does."""

    def __init__(self, cloud: Deployed, outputs: dict[str, str]) -> None:
        self.bucket = outputs["PageBucket"]
        self._cloud = cloud
        self._host = outputs["SiteUrl"].removeprefix("https://")

    def get(self, path: str) -> requests.Response:
        """Requests a path. The emulator has one address for all hosts, and learns from a header that TLS was used."""
        assert path not in API
        headers = {"Host": self._host, "X-Forwarded-Proto": "https"}
        return self._cloud.fetch("GET", f"{self._cloud.account.url}/{path}", headers=headers)


def headers_of(cloud: Deployed) -> list[tuple[str, str]]:
    """Returns the security headers that every response has."""
    return security_headers(deployment.upload_url(cloud.deployer, STAGE))


@pytest.fixture(scope="module")
def site(cloud: Deployed) -> Site:
    policy = dict(headers_of(cloud))["Content-Security-Policy"]
    names = {"Stage": STAGE, "ApiId": cloud.outputs["RestAPIId"], "SiteSecretName": cloud.outputs["SiteSecretName"]}
    values = {**names, "ContentSecurityPolicy": policy}
    outputs = stacks.apply(cloud.deployer, STAGE, "web", deployment.template_of("web"), values)
    deployed_site.upload(cloud.deployer.s3, outputs["PageBucket"])
    return Site(cloud, outputs)


def test_everything_that_the_site_loads_exists_and_has_security_headers(cloud: Deployed, site: Site) -> None:
    left, seen = {""}, dict[str, str]()
    while left:
        path = left.pop()
        answer = site.get(path)
        assert answer.status_code == 200, (path, answer.text)
        seen[path] = answer.headers["Content-Type"].partition(";")[0]
        for name, value in headers_of(cloud):
            assert answer.headers[name] == value, (path, name)
        references = re.findall(r"""(?:\b(?:href|src)=|\bfrom )"([\w./-]+)\"""", answer.text)
        found = {posixpath.normpath(posixpath.join(posixpath.dirname(path), each)) for each in references}
        left |= found - set(seen) - API - {"."}
    assert {path: seen[path] for path in ("", "style.css", "pages/imports.js", "icon.svg")} == {
        "": "text/html",
        "style.css": "text/css",
        "pages/imports.js": "text/javascript",
        "icon.svg": "image/svg+xml",
    }


def test_the_bucket_is_private(cloud: Deployed, site: Site) -> None:
    assert cloud.fetch("GET", f"{cloud.account.url}/{site.bucket}/index.html").status_code == 403
