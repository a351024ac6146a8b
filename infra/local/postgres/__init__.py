"""A PostgreSQL server of the project's own, or an external one."""
