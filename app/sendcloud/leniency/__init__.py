"""Lenient reading of the upstream's answers: bounded, cleaned, and without unusable members.

*Answers* are JSON documents of limited size; *cleaning* makes texts and URLs safe; *numbers* have bounds and several
spellings; *opening times* come in several shapes and leave in one; *tokens* are read without trusting them.
"""
