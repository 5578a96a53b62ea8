"""Limits counted on the store's clock for the whole fleet.

*Rate limits* bound callers and parcels, *failed lookups* delay those of one order, and the *budget* bounds the fleet's
upstream calls.
"""
