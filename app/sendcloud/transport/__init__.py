"""Transports: reads go over a small client on httptools, POSTs over httpx.

A *send tracker* proves that the first byte of a creation never left.
"""
