"""Uploads the site's files to the bucket that CloudFront reads: the same files that the local stack serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.project import ROOT
from infra.site_files import INDEX, REVALIDATE, SiteFiles


def upload(s3: Any, bucket: str) -> None:
    """Uploads the files of web/, then deletes all others. The index comes last, because it links to the others."""
    files = dict(SiteFiles(ROOT / "web").every())
    for key in (*sorted(files.keys() - {INDEX}), INDEX):
        file = files[key]
        s3.put_object(Bucket=bucket, Key=key, Body=file.content, ContentType=file.content_type, CacheControl=REVALIDATE)
    for key in _keys(s3, bucket):
        if key not in files:
            s3.delete_object(Bucket=bucket, Key=key)


def remove(s3: Any, bucket: str) -> None:
    """Empties the bucket. CloudFormation cannot delete a bucket that contains objects."""
    for key in _keys(s3, bucket):
        s3.delete_object(Bucket=bucket, Key=key)


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", []))
