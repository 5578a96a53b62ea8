"""The public contract, version 1: the bodies that front ends send and get.

`fields` types members, `requests` are the bodies sent; the other modules are the bodies answered, by subject.
"""
