"""Events of the upstream about returns, which the shop has it send here: off unless the shop's entry has a key.

An event is *signed* by the upstream over its raw body; nothing of one that is not is read. It may come twice, late and
out of order, and what it cannot settle for certain is left to people.
"""
