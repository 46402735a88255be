-- How many people were active each day.
--
-- Somebody with three devices, or who signed in half-way, counts once. A day on which nobody did anything has no row.
--
-- Columns
--   date: the day, in UTC
--   users: people with at least one event of any type
--   events: their events
WITH active AS (
    SELECT CAST(date_trunc('day', datetime) AS DATE) AS date, person, count(*) AS events
    FROM events WHERE person IS NOT NULL AND datetime IS NOT NULL GROUP BY 1, 2
)
SELECT date, count(*) AS users, CAST(sum(events) AS BIGINT) AS events FROM active GROUP BY date ORDER BY date
