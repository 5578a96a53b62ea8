"""Checks of a body before anything is created: whether it is allowed, and whether it came before.

A *checked return* has every problem of a body and the request it makes; a *return method* is a way to send a parcel
back; a *fingerprint* tells whether two bodies ask for the same; *drop-off* is the chosen service point.
"""
