"""What all tests share: where the yardsticks lie, and one thread for small arrays."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples and golden numbers, which lies beside a checkout here."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real samples and golden numbers in {SHARED}")
    return SHARED
