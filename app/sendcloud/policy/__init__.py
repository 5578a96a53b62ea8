"""When an upstream call may run, for how long, and whether it gets a second try.

A *bulkhead* bounds the calls of one class; a *breaker* refuses them while they keep failing; the *call policy* is both
and the retry of reads.
"""
