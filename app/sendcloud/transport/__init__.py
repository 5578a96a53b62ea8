"""Transports: reads go over aiohttp, POSTs over httpx.

A *send tracker* proves that the first byte of a creation never left.
"""
