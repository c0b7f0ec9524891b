"""The pipeline's stages as plain functions: importable in a notebook, free of Prefect (except `steps`)."""
