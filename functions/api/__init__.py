"""The HTTP API: a module for each resource, its models beside it, and what all routes share.

`routes.Resource` guards, validates and documents every route; `openapi` writes the document from the same declarations.
"""
