-- How many people were active each week.
--
-- Somebody with three devices, or who signed in half-way, counts once. A week on which nobody did anything has no row.
--
-- Columns
--   week: the Monday it begins with; a week is Monday to Sunday, in UTC
--   users: people with at least one event of any type
--   events: their events
WITH active AS (
    SELECT CAST(date_trunc('week', datetime) AS DATE) AS week, person, count(*) AS events
    FROM events WHERE person IS NOT NULL AND datetime IS NOT NULL GROUP BY 1, 2
)
SELECT week, count(*) AS users, CAST(sum(events) AS BIGINT) AS events FROM active GROUP BY week ORDER BY week
