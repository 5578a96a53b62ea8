"""The returns of a parcel in Redis: sealed records, and claims that change only by compare-and-set.

An *attempt* is one request's right to post a return; the *layout* says under which keys, in which form and for how
long things are kept; a *record* is the return as stored.
"""
