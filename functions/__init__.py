"""The edge: one module for each Lambda function, and `api/` for the HTTP routes.

A module takes an event apart, makes one call of the domain and returns the result. May import chalicelib; never infra.
"""
