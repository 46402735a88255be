"""Views over the lake's own tables."""

# A letter may be written and changed within one millisecond; `open` is where every letter starts.
DEAD_LETTERS = """
SELECT * FROM dead_letter_log
QUALIFY row_number() OVER (PARTITION BY letter_id ORDER BY changed_at DESC, status <> 'open' DESC) = 1
"""
"""`dead_letters`: the latest state of each letter."""
