"""Transports: reads go over our own client (`app/http_client`), POSTs over httpx.

A *send tracker* proves that the first byte of a creation never left.
"""
