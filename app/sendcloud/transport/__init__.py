"""How bytes reach the upstream: reads on aiohttp, POSTs on httpx.

A *send tracker* proves that the first byte of a creation never left.
"""
