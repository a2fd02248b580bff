"""Options of `pytest suites/ --model-file models.yaml` come from the plugin of the package, an entry point of pytest.

It is installed with the package (`make install`), and there is nothing to declare here: pytest refuses a plugin twice.
"""
