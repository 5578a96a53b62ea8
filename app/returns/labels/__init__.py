"""The labels of returns: polled by one replica at a time, and told to everyone who waits.

A *watch* is one return that somebody on this replica waits for; a *poll* asks the upstream once, under the return's
lease; *evidence* says whether a 500 tells of one label or of an outage.
"""
