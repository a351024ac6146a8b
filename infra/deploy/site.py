"""The files of the page in the bucket that CloudFront reads: those that the local stack sends, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.project import ROOT
from infra.site_files import INDEX, REVALIDATE, SiteFiles


def upload(s3: Any, bucket: str) -> None:
    """Makes the bucket hold the files of web/. What leads to others comes last, then what is no longer there goes."""
    files = dict(SiteFiles(ROOT / "web").every())
    for key in (*sorted(files.keys() - {INDEX}), INDEX):
        file = files[key]
        s3.put_object(Bucket=bucket, Key=key, Body=file.content, ContentType=file.content_type, CacheControl=REVALIDATE)
    for key in _keys(s3, bucket):
        if key not in files:
            s3.delete_object(Bucket=bucket, Key=key)


def remove(s3: Any, bucket: str) -> None:
    """Empties the bucket: CloudFormation removes no other."""
    for key in _keys(s3, bucket):
        s3.delete_object(Bucket=bucket, Key=key)


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (found["Key"] for found in page.get("Contents", []))
