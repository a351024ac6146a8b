"""Uploads the site's files to the bucket that CloudFront reads: the same files that the local stack serves.

Also checks that the API still accepts the secret that CloudFront sends to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.deploy import stacks
from infra.deploy.errors import SecretInUse
from infra.deploy.stacks import Account
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


def check_secret(account: Account, stage: str, wanted: Mapping[str, str]) -> None:
    """Raises SecretInUse when a new number would replace the secret that CloudFront sends at present.

    CloudFront is updated last, so the API would refuse all of its requests for some minutes.
    """
    sent = stacks.parameters(account, stage, "web").get("SiteSecretName")
    numbers = stacks.parameters(account, stage, "app")
    for letter, other in ("AB", "BA"):
        name = f"SiteSecret{letter}"
        current = numbers.get(name)
        if sent == f"product-importer-{stage}-site-{letter.lower()}{current}" and wanted.get(name, current) != current:
            next_other = int(numbers[f"SiteSecret{other}"]) + 1
            raise SecretInUse(
                f"{name}={wanted[name]} would replace the secret that CloudFront sends now, so the API would refuse "
                "all requests for some minutes. Nothing was changed. First let CloudFront send the other one: make "
                f"deploy STAGE={stage} PARAMETERS='SiteSecret{other}={next_other} SiteSecret={other}'. Then set {name}."
            )


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", []))
