"""Generated models side by side: one process per framework, the same weights and inputs."""

import pytest

pytest.register_assert_rewrite("tests.parity.harness")
