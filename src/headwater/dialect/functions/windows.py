"""Functions that need OVER. In a template {n} is IGNORE NULLS where it was written."""

from headwater.dialect.signatures import FunctionLibrary

WINDOWS = FunctionLibrary()
WINDOWS.add("window", {
    "row_number() -> bigint": "row_number(){w}",
    "rank() -> bigint": "rank(){w}",
    "dense_rank() -> bigint": "dense_rank(){w}",
    "percent_rank() -> double": "percent_rank(){w}",
    "cume_dist() -> double": "cume_dist(){w}",
    "ntile(bigint) -> bigint": "ntile({0}){w}",
    "lag(T) -> T": "lag({0}{n}){w}",
    "lag(T, bigint) -> T": "lag({0}, CAST({1} AS BIGINT){n}){w}",
    "lag(T, bigint, T) -> T": "lag({0}, CAST({1} AS BIGINT), {2}{n}){w}",
    "lead(T) -> T": "lead({0}{n}){w}",
    "lead(T, bigint) -> T": "lead({0}, CAST({1} AS BIGINT){n}){w}",
    "lead(T, bigint, T) -> T": "lead({0}, CAST({1} AS BIGINT), {2}{n}){w}",
    "first_value(T) -> T": "first_value({0}{n}){w}",
    "last_value(T) -> T": "last_value({0}{n}){w}",
    "nth_value(T, bigint) -> T": "nth_value({0}, CAST({1} AS BIGINT){n}){w}",
})  # fmt: skip
