"""Uploads: pictures for a return.

A *handle* is the upstream's file name sealed with the session's secret; nothing of a picture is stored here.
"""
