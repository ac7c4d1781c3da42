"""From raw recordings to one HDF5 file of 50-frame clips.

Axes everywhere in this project: ``N`` clips, ``C`` = 3 coordinates (x, y, z), ``T`` frames,
``V`` = 25 joints, ``M`` = 2 bodies, in this order, float32, metres in the camera's frame.
"""
