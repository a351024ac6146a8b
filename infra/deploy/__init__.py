"""From the source to a stage on AWS: the package, the templates, the stacks, the site's files.

May import infra's shared modules, functions and chalicelib; never infra.local.
"""
