"""The upstream, Sendcloud's Return Portal API, behind one client.

*Protocol* makes requests and reads answers without I/O; *schemas* are the upstream's own words; *policy* decides
whether and how long a call may run; a *transport* carries it.
"""
