-- What each person did in one go, from the first event to the last, also where they signed in on the way.
--
-- Where events have a session id, a session is all events of a person with that id. Events without one belong together as long as there are
-- no more than 30 minutes from one to the next. Midnight ends nothing. Events of nobody (no identity, no device) count by their id alone.
--
-- Columns
--   person: who it was, as in the view events
--   app_id, session_id: the app, and the session as the app said; no id where the session was found by its pauses
--   started_at, ended_at: its first and its last event (UTC)
--   duration_s: the seconds between these two
--   events: how many events it has
--   first_event_type, last_event_type: what it began and ended with
WITH marked AS (
    SELECT person, app_id, datetime, event_id, event_type,
        lag(datetime) OVER (PARTITION BY app_id, person ORDER BY datetime, event_id) >= datetime - INTERVAL 30 MINUTES AS goes_on
    FROM events WHERE session_id IS NULL AND person IS NOT NULL AND datetime IS NOT NULL
), numbered AS (
    SELECT person, app_id, datetime, event_id, event_type,
        count(*) FILTER (WHERE goes_on IS NOT true) OVER so_far AS number
    FROM marked WINDOW so_far AS (PARTITION BY app_id, person ORDER BY datetime, event_id ROWS UNBOUNDED PRECEDING)
), member AS (
    SELECT person, app_id, session_id, 0 AS number, datetime, event_id, event_type
    FROM events WHERE session_id IS NOT NULL AND datetime IS NOT NULL
    UNION ALL BY NAME
    SELECT person, app_id, NULL AS session_id, number, datetime, event_id, event_type FROM numbered
)
SELECT person, app_id, session_id, min(datetime) AS started_at, max(datetime) AS ended_at,
    date_diff('microsecond', min(datetime), max(datetime)) / 1000000 AS duration_s, count(*) AS events,
    arg_min(event_type, (datetime, event_id)) AS first_event_type, arg_max(event_type, (datetime, event_id)) AS last_event_type
FROM member GROUP BY person, app_id, session_id, number
