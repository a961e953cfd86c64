from tests.image.conftest import _forget_open_files  # noqa: F401 - runs by itself
