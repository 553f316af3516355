"""One node: store, lease, and the actor that decides whether it is the owner."""
