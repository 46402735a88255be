-- Which event types there are, the most frequent first.
--
-- Columns
--   event_type: the type
--   events: how many there are
--   users: how many people they are of
--   first_at, last_at: when the first and the last happened (UTC)
SELECT event_type, count(*) AS events, count(DISTINCT person) AS users, min(datetime) AS first_at, max(datetime) AS last_at
FROM events GROUP BY event_type ORDER BY events DESC, event_type
