"""A small client of HTTP/1.1, for calls of the upstream that only read and for posts to shops.

A *connector* makes connections to one server; a *connection* carries one exchange after the other, and an *answer* is
read while it arrives. Anything that is not an answer in time is an `UpstreamError`, whichever server it is.
"""
