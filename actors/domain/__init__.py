"""What the service is about, pure: orders, changes, rules and decisions. No I/O and no actor."""
