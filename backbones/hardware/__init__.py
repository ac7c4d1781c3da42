"""Devices, processes, memory and number formats."""
