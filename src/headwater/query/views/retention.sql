-- How many of the people who came in one day, week or month were there again in the ones after it.
--
-- A cohort is everybody whose first event (of $event_type, or of any type) lies in one day, week (from Monday) or month, in UTC.
-- Period 0 is that one itself, period 1 the next. Somebody is active in a period with an event (of $return_type, or of any type) in it
-- that is not before their first. Periods that begin after the last event there is have no row.
-- First events are looked for in all there is, whatever $since says.
--
-- Parameters
--   $unit unit = week: day, week or month
--   $periods count = 8: how many periods after the first to look at
--   $event_type text or null = null: the type of the event that counts as coming (default: any)
--   $return_type text or null = null: the type of the event that counts as being back (default: any)
--   $since time = 0001-01-01: cohorts of people who came at this time (UTC) or later
--   $until time = 9999-12-31: cohorts of people who came before this time
--
-- Columns
--   cohort: the first day of the cohort's period
--   users: how many people are in the cohort
--   period: 0, 1, 2, …
--   active_users: how many of them were there in that period
--   share: active_users / users
WITH seen AS (
    SELECT person, event_type, datetime FROM events WHERE person IS NOT NULL AND datetime IS NOT NULL
), came AS (
    SELECT person, min(datetime) AS first_at FROM seen WHERE $event_type IS NULL OR event_type = $event_type
    GROUP BY person HAVING min(datetime) >= $since AND min(datetime) < $until
), cohort AS (
    SELECT CAST(date_trunc($unit, first_at) AS DATE) AS cohort, count(*) AS users FROM came GROUP BY 1
), active AS (
    SELECT CAST(date_trunc($unit, came.first_at) AS DATE) AS cohort, CAST(date_trunc($unit, seen.datetime) AS DATE) AS active_in,
        count(DISTINCT came.person) AS users
    FROM came JOIN seen ON seen.person = came.person AND seen.datetime >= came.first_at
    WHERE $return_type IS NULL OR seen.event_type = $return_type
    GROUP BY 1, 2
), grid AS (
    SELECT cohort.cohort, cohort.users, period, date_diff($unit, cohort.cohort, CAST(date_trunc($unit, last_at) AS DATE)) AS periods
    FROM cohort, (SELECT unnest(range($periods + 1)) AS period), (SELECT max(datetime) AS last_at FROM seen)
)
SELECT grid.cohort, grid.users, grid.period, coalesce(active.users, 0) AS active_users, coalesce(active.users, 0) / grid.users AS share
FROM grid LEFT JOIN active ON active.cohort = grid.cohort AND date_diff($unit, grid.cohort, active.active_in) = grid.period
WHERE grid.period <= grid.periods ORDER BY grid.cohort, grid.period
