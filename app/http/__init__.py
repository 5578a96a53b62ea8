"""The path that every request takes, and the problem documents that errors become.

A *problem type* is a row of RFC 9457's table: code, status, words. A *deferred response* is rendered after its handler
has returned, once something changed (long poll, events). *Load shedding* turns requests away before they are read.
This room knows no feature.
"""
