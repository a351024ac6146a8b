"""Deployment of a stage to AWS: its package, templates, CloudFormation stacks and site files.

May import infra's shared modules, functions and chalicelib; never infra.local.
"""
