"""Lenient reading of the upstream's answers: bounded, cleaned, and without what cannot be used.

*Answers* are JSON documents of limited size; *cleaning* makes texts, URLs and amounts safe; *opening times* come in
several shapes and leave in one; *tokens* are read without trust in what they say.
"""
