-- How many of each day's active people were there for the first time, and how many came back.
--
-- Columns
--   date: the day, in UTC
--   users: people with at least one event of any type
--   new_users: those whose first event ever was on this day
--   returning_users: those who had events on an earlier day
WITH active AS (
    SELECT DISTINCT person, CAST(date_trunc('day', datetime) AS DATE) AS date FROM events WHERE person IS NOT NULL AND datetime IS NOT NULL
), known AS (
    SELECT date, min(date) OVER (PARTITION BY person) AS first_date FROM active
)
SELECT date, count(*) AS users, count(*) FILTER (WHERE date = first_date) AS new_users,
    count(*) FILTER (WHERE date > first_date) AS returning_users
FROM known GROUP BY date ORDER BY date
