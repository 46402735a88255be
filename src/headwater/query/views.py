"""Views over the lake's own tables."""

# A letter may be written and changed within one millisecond; `open` is where every letter starts.
DEAD_LETTERS = """
SELECT * FROM dead_letter_log
QUALIFY row_number() OVER (PARTITION BY letter_id ORDER BY changed_at DESC, status <> 'open' DESC) = 1
"""
"""`dead_letters`: the latest state of each letter."""

# Changes of one identity never have the same time. A login that was linked and then taken away, or linked to another, is no longer its own.
IDENTITIES = """
WITH login AS (
    SELECT identity_pool_id, provider, subject, cognito_id, operation FROM identity_log WHERE provider IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY identity_pool_id, provider, subject ORDER BY datetime DESC) = 1
), linked AS (
    SELECT cognito_id, list({'provider': provider, 'subject': subject} ORDER BY provider, subject) AS logins
    FROM login WHERE operation = 'link' GROUP BY cognito_id
)
SELECT log.cognito_id AS identity_id, any_value(log.identity_pool_id) AS identity_pool_id, min(log.datetime) AS first_seen,
    any_value(linked.logins) AS logins, any_value(log.merged_into) AS merged_into,
    coalesce(any_value(log.merged_into), log.cognito_id) AS person, bool_or(log.operation = 'delete') AS deleted
FROM identity_log AS log LEFT JOIN linked ON linked.cognito_id = log.cognito_id
GROUP BY log.cognito_id
"""
"""`identities`: every identity that has, or had, a login; `person` is the identity under which all of one login's events come together."""
