"""Fast forms of three operations, each beside its plain form."""
