-- Each record that could not become a row, with the reason, as it stands now.
--
-- `dead_letter_log` has every change of a letter; this is the latest of each.
--
-- Columns
--   letter_id: the letter
--   status: open, redriven or discarded
--   reason, field, given, expected: what was wrong
--   datetime: when the record arrived
--   body: the record's bytes
--   …: and every other column of dead_letter_log
SELECT * FROM dead_letter_log
-- A letter may be written and changed within one millisecond; `open` is where every letter starts.
QUALIFY row_number() OVER (PARTITION BY letter_id ORDER BY changed_at DESC, status <> 'open' DESC) = 1
