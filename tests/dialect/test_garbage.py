"""Text that is nearly a statement is answered or refused: nothing else ever comes out of the dialect."""

from __future__ import annotations

import random
import re

import pytest

from headwater.dialect import translate
from headwater.errors import QueryError
from tests.dialect.corpus import Lake, cases

_WORD = re.compile(r"\w+|'[^']*'|\"[^\"]*\"|<>|<=|>=|->|\|\||[^\w\s]")
COMMANDS = [
    "CREATE TABLE t ( id bigint , at timestamp ) PARTITIONED BY ( day ( at ) , bucket ( 16 , id ) ) LOCATION 's3://b/'",
    "ALTER TABLE t ADD COLUMNS ( a int COMMENT 'c' , b struct < x : array < string > > )",
    "UNLOAD ( SELECT id FROM practice ) TO 's3://b/o/' WITH ( format = 'PARQUET' , compression = 'snappy' )",
    "MERGE INTO students t USING practice s ON t.student = s.student WHEN MATCHED THEN UPDATE SET city = s.piece",
    "UPDATE students SET city = upper ( city ) , born = NULL WHERE city = 'Rome'",
    "CREATE TABLE x WITH ( format = 'PARQUET' , partitioned_by = ARRAY [ 'day' ] ) AS SELECT id , day FROM practice WITH NO DATA",
    "INSERT INTO students ( student , city ) VALUES ( 'a' , 'b' )",
    "SHOW PARTITIONS lake.practice",
    "EXECUTE p USING 1 , 'a'",
]
TEXTS = [_WORD.findall(text) for text in [*(case.query for case in cases()), *COMMANDS]]
VOCABULARY = sorted({word for text in TEXTS for word in text})


@pytest.mark.parametrize("seed", range(8))
def test_a_statement_with_words_missing_doubled_or_exchanged_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        words = list(chance.choice(TEXTS))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(words)) if words else 0
            match chance.randrange(4):
                case 0:
                    del words[at : at + 1]
                case 1:
                    words.insert(at, chance.choice(VOCABULARY))
                case 2:
                    words[at : at + 1] = [chance.choice(VOCABULARY)]
                case 3:
                    words[at : at + 1] = words[at : at + 1] * 2
        text = " ".join(words)
        try:
            translate(text, catalog=Lake(), database="lake")
        except QueryError:
            continue
        except Exception as error:
            raise AssertionError(f"{text!r} gives {error!r}") from error
