-- One row for each event of every type: all tables of events in one.
--
-- $tables stands for the tables of the project as they are when the view is used; `headwater views events --show` has them written out.
-- For one type alone its own table is quicker, and its columns have their types: SELECT avg(level) FROM practice_events.
--
-- Columns
--   event_id, event_type, datetime: which event, of what kind, and when it happened (UTC)
--   person: who it was: the identity of the login where somebody signed in, before or after; else the guest's identity; else the device
--   session_id: the session, as the app said
--   app_id, client_id, cognito_id: the app, the device, the identity that sent it
--   arrival_datetime: when it was accepted
--   attributes: everything else, as JSON: attributes->>'level' is text, CAST(attributes->>'level' AS INT) a number
--   year, month, day: of datetime, as text, as in every table
SELECT e.event_id, e.event_type, e.datetime, coalesce(i.person, e.cognito_id, e.client_id) AS person, e.session_id,
    e.app_id, e.client_id, e.cognito_id, e.arrival_datetime, e.attributes, e.year, e.month, e.day
FROM ($tables) AS e LEFT JOIN identities AS i ON i.identity_id = e.cognito_id
