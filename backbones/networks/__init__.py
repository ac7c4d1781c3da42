"""The networks: the body's graph, ST-GCN, Shift-GCN, and their registry."""
