"""What a deployment exposes: which methods and redirects CloudFront allows, and no debug mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

import app
from functions.api.endpoints import endpoints_of
from tests.support.markdown import ROOT, read


@pytest.fixture(scope="module")
def distribution() -> dict[str, Any]:
    resources = yaml.safe_load(read(ROOT / "infra/deploy/web.yml"))["Resources"]
    found: dict[str, Any] = resources["Site"]["Properties"]["DistributionConfig"]
    return found


def test_only_the_page_redirects_to_https(distribution: dict[str, Any]) -> None:
    """A program that sends its token unencrypted has to notice."""
    [api] = distribution["CacheBehaviors"]
    assert (api["PathPattern"], api["ViewerProtocolPolicy"]) == ("/api/*", "https-only")
    assert distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"


def test_the_page_can_only_be_read_and_no_method_but_those_of_the_api_passes(distribution: dict[str, Any]) -> None:
    [api] = distribution["CacheBehaviors"]
    assert distribution["DefaultCacheBehavior"]["AllowedMethods"] == ["GET", "HEAD"]
    # CloudFront allows either two, three or seven methods, but never TRACE.
    assert {each.method for each in endpoints_of(app.app)} <= {*api["AllowedMethods"]}
    assert "TRACE" not in api["AllowedMethods"]


def test_responses_of_the_api_are_not_cached_by_cloudfront(distribution: dict[str, Any]) -> None:
    [api] = distribution["CacheBehaviors"]
    caching_disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert api["CachePolicyId"] == caching_disabled


def test_no_function_runs_in_debug_mode() -> None:
    assert app.app.debug is False
    assert "debug" not in json.dumps(json.loads(read(ROOT / ".chalice/config.json"))).lower()
