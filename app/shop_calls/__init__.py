"""The calls of a shop's own systems about the returns of its shoppers; none of them asks the upstream.

A *shop key* proves that a caller is a system of the shop. It opens the returns of that shop alone: those of other
shops do not exist for it. A *holder* is a return that has a claim on units of its parcel.
"""
