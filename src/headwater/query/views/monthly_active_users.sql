-- How many people were active each month.
--
-- Somebody with three devices, or who signed in half-way, counts once. A month on which nobody did anything has no row.
--
-- Columns
--   month: the first day of the month, in UTC
--   users: people with at least one event of any type
--   events: their events
WITH active AS (
    SELECT CAST(date_trunc('month', datetime) AS DATE) AS month, person, count(*) AS events
    FROM events WHERE person IS NOT NULL AND datetime IS NOT NULL GROUP BY 1, 2
)
SELECT month, count(*) AS users, CAST(sum(events) AS BIGINT) AS events FROM active GROUP BY month ORDER BY month
