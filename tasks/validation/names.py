"""The expectations of Great Expectations 1.24.1 that a spec may use, with their parameters.

A static table, because importing the library takes seconds and a wrong spec should be answered at once; a
contract test holds it equal to the library. Left out: what needs a database or another table, what pandas
does not support, and `row_condition` (an expression that would be evaluated).
"""

from __future__ import annotations


def _takes(required: str, optional: str = "") -> dict[str, bool]:
    """Parameter names to whether they must be given."""
    return dict.fromkeys(required.split(), True) | dict.fromkeys(optional.split(), False)


_RANGE = "min_value max_value strict_min strict_max"

EXPECTATIONS: dict[str, dict[str, bool]] = {
    # The table.
    "expect_table_row_count_to_equal": _takes("value"),
    "expect_table_row_count_to_be_between": _takes("", _RANGE),
    "expect_table_column_count_to_equal": _takes("value"),
    "expect_table_column_count_to_be_between": _takes("", "min_value max_value"),
    "expect_table_columns_to_match_ordered_list": _takes("", "column_list"),
    "expect_table_columns_to_match_set": _takes("", "column_set exact_match"),
    # A column's presence and type.
    "expect_column_to_exist": _takes("column", "column_index"),
    "expect_column_type_to_be": _takes("column type_"),
    "expect_column_values_to_be_of_type": _takes("column type_", "mostly"),
    # A column's values, one by one.
    "expect_column_values_to_be_null": _takes("column", "mostly"),
    "expect_column_values_to_not_be_null": _takes("column", "mostly"),
    "expect_column_values_to_be_unique": _takes("column", "mostly"),
    "expect_column_values_to_be_between": _takes("column", f"{_RANGE} mostly"),
    "expect_column_values_to_be_in_set": _takes("column value_set", "mostly"),
    "expect_column_values_to_not_be_in_set": _takes("column value_set", "mostly"),
    "expect_column_values_to_be_increasing": _takes("column", "strictly mostly"),
    "expect_column_values_to_be_decreasing": _takes("column", "strictly mostly"),
    "expect_column_values_to_not_be_outliers": _takes("column", "method multiplier mostly"),
    "expect_column_value_z_scores_to_be_less_than": _takes("column threshold double_sided", "mostly"),
    "expect_column_value_lengths_to_equal": _takes("column value", "mostly"),
    "expect_column_value_lengths_to_be_between": _takes("column", f"{_RANGE} mostly"),
    "expect_column_values_to_match_regex": _takes("column", "regex mostly"),
    "expect_column_values_to_not_match_regex": _takes("column regex", "mostly"),
    "expect_column_values_to_match_regex_list": _takes("column regex_list", "match_on mostly"),
    "expect_column_values_to_not_match_regex_list": _takes("column regex_list", "mostly"),
    "expect_column_values_to_match_strftime_format": _takes("column strftime_format", "mostly"),
    "expect_column_values_to_be_dateutil_parseable": _takes("column", "mostly"),
    # A column as a whole.
    "expect_column_min_to_be_between": _takes("column", _RANGE),
    "expect_column_max_to_be_between": _takes("column", _RANGE),
    "expect_column_mean_to_be_between": _takes("column", _RANGE),
    "expect_column_median_to_be_between": _takes("column", _RANGE),
    "expect_column_stdev_to_be_between": _takes("column", _RANGE),
    "expect_column_sum_to_be_between": _takes("column", _RANGE),
    "expect_column_quantile_values_to_be_between": _takes("column quantile_ranges", "allow_relative_error"),
    "expect_column_unique_value_count_to_be_between": _takes("column", _RANGE),
    "expect_column_proportion_of_unique_values_to_be_between": _takes("column", _RANGE),
    "expect_column_proportion_of_non_null_values_to_be_between": _takes("column", _RANGE),
    "expect_column_most_common_value_to_be_in_set": _takes("column value_set", "ties_okay"),
    "expect_column_distinct_values_to_be_in_set": _takes("column value_set"),
    "expect_column_distinct_values_to_contain_set": _takes("column value_set"),
    "expect_column_distinct_values_to_equal_set": _takes("column value_set"),
    # Several columns.
    "expect_column_pair_values_to_be_equal": _takes("column_A column_B", "ignore_row_if mostly"),
    "expect_column_pair_values_a_to_be_greater_than_b": _takes("column_A column_B", "or_equal ignore_row_if mostly"),
    "expect_column_pair_values_to_be_in_set": _takes("column_A column_B value_pairs_set", "ignore_row_if mostly"),
    "expect_compound_columns_to_be_unique": _takes("column_list", "ignore_row_if mostly"),
    "expect_select_column_values_to_be_unique_within_record": _takes("column_list", "ignore_row_if mostly"),
    "expect_multicolumn_sum_to_equal": _takes("column_list sum_total", "ignore_row_if mostly"),
    "expect_multicolumn_values_to_be_equal": _takes("column_list", "ignore_row_if mostly"),
}
