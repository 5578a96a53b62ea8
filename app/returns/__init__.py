"""Returns: check a choice, create the return exactly once, watch its label.

A *claim* holds units of a parcel for one return; claims.py has the table of its transitions. A *record* is the return
as stored; *labels* are polled by one replica at a time for every caller that waits.
"""
