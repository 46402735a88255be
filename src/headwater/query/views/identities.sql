-- Every identity that has, or had, a login, and the person it belongs to.
--
-- `person` is the identity under which all events of one login come together: a guest who signs in with a login that has an
-- identity already gives way to that one. Guests who never signed in are not here.
--
-- Columns
--   identity_id: the identity, as `cognito_id` in the tables of events
--   identity_pool_id: its pool
--   first_seen: when it first signed in
--   logins: a list of provider and subject
--   merged_into: the identity it gave way to
--   person: the identity everything of it belongs to
--   deleted: whether it was deleted
WITH login AS (
    SELECT identity_pool_id, provider, subject, cognito_id, operation FROM identity_log WHERE provider IS NOT NULL
    -- Changes of one identity never have the same time. A login that was taken away, or linked to another, is no longer its own.
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
