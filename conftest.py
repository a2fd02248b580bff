"""Makes `pytest suites/ --model-file models.yaml` know the project's options and fixtures."""

pytest_plugins = ["benchmark.interface.plugin"]
