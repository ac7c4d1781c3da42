"""skeletons.h5, and what looks at it: description, drawing, export."""
