"""Child processes that never outlive the stack, and what they share: logs, locks, ports, deadlines."""
