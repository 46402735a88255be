-- What people do next: which event type follows which, and how often.
--
-- The next event is the person's very next one, of any type, if it comes within $minutes minutes; otherwise the path ends there.
--
-- Parameters
--   $event_type text or null = null: only what follows events of this type (default: any)
--   $minutes number = 30: how soon the next event has to come
--   $limit count = 100: how many rows at most, the most frequent first
--   $since time = 0001-01-01: events at this time (UTC) or later
--   $until time = 9999-12-31: events before this time; what follows the last of them may come after it
--
-- Columns
--   event_type: what somebody did
--   next_event_type: what they did next; NULL: nothing
--   times: how often
--   users: by how many people
--   share: of all events of that type
WITH seen AS (
    SELECT person, event_type, datetime, event_id FROM events
    WHERE person IS NOT NULL AND datetime >= $since AND datetime < $until + to_seconds($minutes * 60)
), followed AS (
    SELECT person, event_type, datetime, lead(datetime) OVER later AS next_at, lead(event_type) OVER later AS next_event_type
    FROM seen WINDOW later AS (PARTITION BY person ORDER BY datetime, event_id, event_type)
), path AS (
    SELECT person, event_type, CASE WHEN next_at <= datetime + to_seconds($minutes * 60) THEN next_event_type END AS next_event_type
    FROM followed WHERE datetime < $until AND ($event_type IS NULL OR event_type = $event_type)
)
SELECT event_type, next_event_type, count(*) AS times, count(DISTINCT person) AS users,
    count(*) / sum(count(*)) OVER (PARTITION BY event_type) AS share
FROM path GROUP BY event_type, next_event_type ORDER BY times DESC, event_type, next_event_type NULLS LAST LIMIT $limit
