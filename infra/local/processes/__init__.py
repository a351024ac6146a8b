"""Child processes, which never outlive the stack, and their logs, locks, ports and deadlines."""
