"""Training one method, and choosing its settings on held-out seen classes."""
