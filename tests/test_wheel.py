"""The wheel in a fresh environment, beside other people's packages of our folders' names."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STRANGERS = ("pipeline", "preprocessing", "backbones", "zeroshot")


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return a wheel built from a copy of the sources, so that the checkout stays clean."""
    pytest.importorskip("setuptools", minversion="77", reason="builds the wheel with setuptools")
    copy = tmp_path_factory.mktemp("sources")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", *STRANGERS):
        run("cp", "-r", ROOT / name, copy)
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--no-build-isolation", "-w", out, copy)
    return next(out.glob("smie_pipe-*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Return a fresh environment that holds the wheel and packages that fail when imported.

    The packages ours needs are those of the running environment, reached by a path file.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import site; print(site.getsitepackages()[0])").strip())
    for name in STRANGERS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("raise ImportError('a package of this name')\n")
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
    run(*install, "--no-deps", "--no-index", wheel)
    needed = [p for p in sys.path if p.endswith("-packages")] + [sysconfig.get_path("purelib")]
    (site / "needed.pth").write_text("\n".join(dict.fromkeys(needed)) + "\n")
    return folder


def test_the_wheel_puts_one_name_into_site_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"smie_pipe"}
    assert "smie_pipe/py.typed" in names
    assert "smie_pipe/preprocessing/data/ntu120_classes.csv" in names
    assert "smie_pipe/zeroshot/data/splits.json" in names


def test_the_command_line_runs_beside_packages_of_our_folders_names(environment, tmp_path):
    (tmp_path / "pipeline.py").write_text("raise ImportError('a file of a student')\n")
    settings = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = environment / "bin" / "smie-pipe"

    def call(*words):
        return run(*words, cwd=tmp_path, env=settings)

    assert "smie-pipe" in call(command, "--version")
    where = call(
        environment / "bin" / "python", "-c", "import smie_pipe; print(smie_pipe.__file__)"
    )
    assert str(environment) in where
    call(command, "simulate", "raw", "--classes", "3", "--performers", "2")
    module = (environment / "bin" / "python", "-m", "smie_pipe")
    call(*module, "--run", "run", "preprocess", "raw", "--dataset", "custom", "--workers", "2")
    assert "skeletons" in call(command, "inspect", "run/skeletons.h5")
