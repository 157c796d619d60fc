"""``python -m actors.webhooks``."""

from actors.webhooks.commands import main

if __name__ == "__main__":
    main(prog_name="python -m actors.webhooks")
