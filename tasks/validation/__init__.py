"""Data validation: Great Expectations suites and the checks that guard a comparison."""
