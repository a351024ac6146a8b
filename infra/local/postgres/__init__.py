"""PostgreSQL: a server that the stack starts, or an external one."""
