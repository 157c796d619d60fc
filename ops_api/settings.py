"""What deployments decide about the ops API: the ``CALLBOARD_OPS_*`` environment variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import DirectoryPath, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CALLBOARD_OPS_"

#: In the source tree, which is what the application is deployed from.
RUNBOOKS = Path(__file__).parents[1] / "docs" / "runbooks"


class OpsSettings(BaseSettings):
    """Who may ask, and where the runbooks are. Tokens are read once, when the process starts.

    Raises: pydantic.ValidationError, naming the field, when a value does not fit. It never shows a token.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    scrape_token: SecretStr | None = Field(None, description="of Prometheus: /metrics and /sd/workers")
    scrape_token_file: Path | None = Field(None, description="holds that token instead")
    alerts_token: SecretStr | None = Field(None, description="of Alertmanager: POST /api/alerts")
    alerts_token_file: Path | None = Field(None, description="holds that token instead")
    runbooks: DirectoryPath = Field(RUNBOOKS, description="folder of the pages under /runbooks/")

    @model_validator(mode="after")
    def _tokens_can_be(self) -> OpsSettings:
        _ = self.scraping, self.alerting
        return self

    @property
    def scraping(self) -> SecretStr | None:
        """The token of Prometheus; None when there is none."""
        return _token("SCRAPE_TOKEN", self.scrape_token, self.scrape_token_file)

    @property
    def alerting(self) -> SecretStr | None:
        """The token of Alertmanager; None when there is none."""
        return _token("ALERTS_TOKEN", self.alerts_token, self.alerts_token_file)


def _token(name: str, given: SecretStr | None, file: Path | None) -> SecretStr | None:
    """A token from one of its two places. Raises: ValueError when it is in both, empty, or not what a header holds."""
    variable = PREFIX + name
    if given is not None and file is not None:
        raise ValueError(f"{variable} and {variable}_FILE are both set: leave one out")
    where = variable if file is None else f"{variable}_FILE"
    if file is not None:
        try:
            given = SecretStr(file.read_text(encoding="ascii").strip())
        except OSError as error:
            raise ValueError(f"{where}: {file} cannot be read: {error.strerror}") from None
        except ValueError:
            raise ValueError(f"{where}: {file} is no text in ASCII; openssl rand -hex 32 makes a token") from None
    if given is None:
        return None
    token = given.get_secret_value()
    if not token or not all("!" <= sign <= "~" for sign in token):
        raise ValueError(f"{where} is empty, or has spaces or signs beyond ASCII; openssl rand -hex 32 makes one")
    return given
