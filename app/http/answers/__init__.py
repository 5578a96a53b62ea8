"""What is answered: problem documents in the reader's language, deferred answers, and their description.

A *recent answer* is public, and given again for a second.
"""
