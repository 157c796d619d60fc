"""``python -m demo.monitoring``."""

from demo.monitoring.command import main

if __name__ == "__main__":
    main(prog_name="bin/monitoring")
