-- Which values an attribute has, and how often.
--
-- Parameters
--   $event_type text: the event type
--   $attribute text: an attribute, metric or field of it
--   $limit count = 20: how many values at most, the most frequent first
--   $since time = 0001-01-01: events at this time (UTC) or later
--   $until time = 9999-12-31: events before this time
--
-- Columns
--   value: the value as text; NULL: events without one
--   events: how many events have it
--   users: how many people they are of
--   share: of all events of the type
SELECT json_extract_string(attributes, '/' || replace(replace($attribute, '~', '~0'), '/', '~1')) AS value,
    count(*) AS events, count(DISTINCT person) AS users, count(*) / sum(count(*)) OVER () AS share
FROM events WHERE event_type = $event_type AND datetime >= $since AND datetime < $until
GROUP BY 1 ORDER BY events DESC, value NULLS LAST LIMIT $limit
