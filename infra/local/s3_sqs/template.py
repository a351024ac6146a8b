"""Reads a named subset of CloudFormation: parameters, three kinds of resources, and the intrinsics Ref, GetAtt and Sub.

Whatever is outside the subset is an error, never silently left out: a resource that exists in the cloud but not on the
laptop must be a decision. SKIPPED is the list of these decisions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BUCKET = "AWS::S3::Bucket"
QUEUE = "AWS::SQS::Queue"
QUEUE_POLICY = "AWS::SQS::QueuePolicy"
CREATED = (BUCKET, QUEUE, QUEUE_POLICY)
SKIPPED = (
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::Serverless::Function",
)
"""Types that mean nothing to an emulator of S3 and SQS."""

SECTIONS = ("AWSTemplateFormatVersion", "Description", "Parameters", "Resources", "Outputs", "Conditions")
RESOURCE_ATTRIBUTES = ("Type", "Properties", "DependsOn", "DeletionPolicy", "UpdateReplacePolicy")
NUMBER = re.compile(r"-?\d+")
PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


class TemplateError(Exception):
    """The template uses something that the local stack does not know, or a parameter has no usable value."""


@dataclass(frozen=True)
class Resource:
    """One resource as written, with its intrinsics still in place."""

    name: str
    type: str
    properties: Mapping[str, Any]
    depends_on: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """Resources to create, in the order of the file, and the values of all parameters and pseudo parameters."""

    resources: Mapping[str, Resource]
    values: Mapping[str, Any]


def read(file: Path, pseudo: Mapping[str, str], overrides: Mapping[str, str]) -> Template:
    """Reads a template. `pseudo` holds AWS::AccountId and the like, `overrides` parameter values by name."""
    document = yaml.safe_load(file.read_text("utf-8"))
    _only(SECTIONS, document, f"section of {file.name}")
    declared = document.get("Parameters", {})
    _only(declared, overrides, "parameter")
    values = {name: _value(name, declaration, overrides) for name, declaration in declared.items()}
    resources = {name: _resource(name, body) for name, body in document["Resources"].items()}
    kept = {name: resource for name, resource in resources.items() if resource.type in CREATED}
    return Template(kept, {**pseudo, **values})


def resolve(value: Any, ref: Callable[[str], Any], attribute: Callable[[str, str], Any]) -> Any:
    """Replaces the intrinsics in a value. `ref` resolves Ref, `attribute` Fn::GetAtt; Fn::Sub uses both."""
    if isinstance(value, list):
        return [resolve(item, ref, attribute) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(name)}:
            return ref(name)
        case {"Fn::GetAtt": [str(name), str(which)]}:
            return attribute(name, which)
        case {"Fn::Sub": str(text)}:
            return _substitute(text, ref, attribute)
    unknown = [key for key in value if key.startswith("Fn::") or key == "Ref"]
    if unknown:
        raise TemplateError(f"{unknown[0]} in this form is not known to the local stack: {value}")
    return {key: resolve(item, ref, attribute) for key, item in value.items()}


def _substitute(text: str, ref: Callable[[str], Any], attribute: Callable[[str, str], Any]) -> str:
    def replacement(match: re.Match[str]) -> str:
        name, dot, which = match[1].partition(".")
        return str(attribute(name, which) if dot else ref(name))

    return PLACEHOLDER.sub(replacement, text)


def _value(name: str, declaration: Mapping[str, Any], overrides: Mapping[str, str]) -> Any:
    if name not in overrides and "Default" not in declaration:
        raise TemplateError(f"parameter {name} has no default: set PARAMETER_{name}")
    given = overrides.get(name, declaration.get("Default"))
    match declaration.get("Type"):
        case "String":
            return str(given)
        case "Number":
            if not NUMBER.fullmatch(str(given)):
                raise TemplateError(f"parameter {name} must be a whole number, not {given!r}")
            return int(str(given))
        case "CommaDelimitedList":
            return [item.strip() for item in str(given).split(",")]
        case other:
            raise TemplateError(f"parameter {name}: type {other} is not known to the local stack")


def _resource(name: str, body: Mapping[str, Any]) -> Resource:
    kind = body.get("Type")
    if kind not in CREATED and kind not in SKIPPED:
        raise TemplateError(
            f"resource {name}: type {kind} is not known to the local stack; create or skip it on purpose"
        )
    if kind in CREATED:
        _only(RESOURCE_ATTRIBUTES, body, f"attribute of resource {name}")
    depends = body.get("DependsOn", [])
    return Resource(name, kind, body.get("Properties", {}), (depends,) if isinstance(depends, str) else tuple(depends))


def _only(known: Any, given: Mapping[str, Any], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TemplateError(f"{what} not known: {', '.join(unknown)}")
