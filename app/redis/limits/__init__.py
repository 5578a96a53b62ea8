"""Limits counted on the store's clock for the whole fleet.

*Rate limits* bound callers, orders and parcels; the *budget* is what the fleet may ask of the upstream.
"""
