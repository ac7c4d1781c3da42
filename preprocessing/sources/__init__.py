"""Where recordings lie: folders, zips, and the lists that belong to them."""
