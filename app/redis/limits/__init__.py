"""Limits counted on the store's clock for the whole fleet.

*Rate limits* bound callers, orders and parcels; the *budget* bounds the fleet's upstream calls.
"""
