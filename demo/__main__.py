"""``python -m demo ...``: the same commands as ``aitia shop ...``."""

from demo.cli import app

if __name__ == "__main__":
    app(prog_name="python -m demo")
