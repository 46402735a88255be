"""What holds of the engine in its own process holds of one whose statements run in sandboxes: the same tests, another `engine`."""

# ruff: noqa: F401  # the tests are collected here by being imported

from __future__ import annotations

import pytest

from tests.query.test_engine import (
    test_a_query_outlives_the_files_it_planned_when_compaction_removes_them,
    test_a_table_with_no_rows_has_its_columns_and_types,
    test_an_empty_lake_has_no_tables_and_says_so,
    test_anything_else_is_refused_with_the_reason,
    test_columns_are_read_by_field_id_and_are_null_where_a_file_or_batch_is_older,
    test_files_that_never_come_back_are_an_error_that_says_so,
    test_names_may_be_quoted_qualified_and_of_any_case,
    test_names_of_columns_may_hold_anything,
    test_names_of_common_table_expressions_hide_tables,
    test_nested_and_exact_types_are_the_same_in_the_tail_and_in_files,
    test_rows_are_seen_in_the_tail_and_then_in_files_each_once,
    test_statements_that_read_are_answered,
    test_values_are_parameters_and_never_text,
)
from tests.query.test_result import (
    test_a_schema_is_known_before_the_rows,
    test_failures_on_the_way_are_query_errors_and_the_engine_goes_on,
    test_parameters_that_cannot_be_given_are_query_errors,
    test_rows_come_as_arrow_pandas_polars_and_tuples,
    test_statistics_say_what_was_read,
    test_text_that_is_not_unicode_is_a_query_error,
)

pytestmark = pytest.mark.proof
