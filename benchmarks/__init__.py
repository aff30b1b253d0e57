"""Measurements, as ratios within one run: `make bench`. Machines are shared and noisy; nothing here is asserted."""
