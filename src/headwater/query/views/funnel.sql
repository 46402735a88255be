-- How many people went through some steps in their order, and where the others stopped.
--
-- Each event of the first step between $since and $until begins an attempt. Each further step is the first event of its type later than
-- the step before it (at the same moment is not later), and all steps lie within $days days of the first. What happens in between does not
-- matter. A person counts once at every step that any of their attempts came to.
--
-- Parameters
--   $steps steps: event types in their order, with commas; a filter on an attribute in brackets: SignUpEvent,PracticeEvent[level=3]
--   $days number = 7: how many days after its first step an attempt may last
--   $since time = 0001-01-01: attempts that begin at this time (UTC) or later
--   $until time = 9999-12-31: attempts that begin before this time
--
-- Columns
--   step: 1, 2, …
--   event_type: what the step asks for
--   users: how many people came to it
--   of_first: their share of those who took the first step
--   of_previous: their share of those who took the step before
WITH RECURSIVE step AS (
    SELECT unnest(range(1, len(steps) + 1)) AS number, unnest(steps) AS wanted
    FROM (SELECT $steps AS steps)
), matched AS (
    SELECT step.number, e.person, e.datetime
    FROM events AS e JOIN step ON step.wanted.event_type = e.event_type
    WHERE e.person IS NOT NULL AND e.datetime >= $since AND e.datetime < $until + to_seconds($days * 86400)
        AND len(list_filter(step.wanted.filters, lambda f:
            json_extract_string(e.attributes, '/' || replace(replace(f.attribute, '~', '~0'), '/', '~1')) IS DISTINCT FROM f.value)) = 0
), attempt AS (
    -- Of attempts that came to a step, the one that began last has the most time left: it is kept for whatever comes later.
    SELECT number, person, datetime AS reached_at, datetime AS started_at FROM matched WHERE number = 1 AND datetime < $until
    UNION ALL
    SELECT number, person, reached_at, latest AS started_at
    FROM (
        SELECT number, person, reached_at, is_next, max(started_at) OVER earlier AS latest
        FROM (
            SELECT number + 1 AS number, person, reached_at, started_at, false AS is_next FROM attempt
            UNION ALL
            SELECT number, person, datetime, NULL, true FROM matched WHERE (number, person) IN (SELECT (number + 1, person) FROM attempt)
        )
        -- At one moment the next step comes before the last one, and so does not see it.
        WINDOW earlier AS (PARTITION BY person ORDER BY reached_at, is_next DESC ROWS UNBOUNDED PRECEDING)
    )
    WHERE is_next AND reached_at <= latest + to_seconds($days * 86400)
), reached AS (
    SELECT step.number, step.wanted.event_type AS event_type, count(DISTINCT attempt.person) AS users
    FROM step LEFT JOIN attempt ON attempt.number = step.number GROUP BY ALL
)
SELECT number AS step, event_type, users, users / nullif(first_value(users) OVER steps, 0) AS of_first,
    users / nullif(lag(users) OVER steps, 0) AS of_previous
FROM reached WINDOW steps AS (ORDER BY number) ORDER BY number
