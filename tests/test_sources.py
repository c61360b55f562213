"""What is set outside the file: variables of each name, and systemd's credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import SettingsError
from toolkit.log import LogSettings
from toolkit.settings import Secret, Settings, Value, resolve
from toolkit.sources import from_credentials, from_environment


class MailSettings(Settings):
    """Send mail."""

    password: Secret | None = None
    host: str = "localhost"


def credentials(folder: Path, **files: str) -> dict[str, Value]:
    for name, content in files.items():
        (folder / f"toolkit.my-mail.{name}").write_text(content)
    return from_credentials({"CREDENTIALS_DIRECTORY": str(folder)}, "my-mail", MailSettings)


def test_a_variable_names_a_service_and_a_field_or_the_file_of_a_secret() -> None:
    environment = {
        "TOOLKIT_MY_MAIL_HOST": "mail",
        "TOOLKIT_MY_MAIL_PASSWORD_FILE": "/run/secret",
        "TOOLKIT_MY_MAIL_PASSWORD": "",
        "TOOLKIT_MAIL_HOST": "another service's",
        "TOOLKIT_MY_MAIL_LONG_HOST": "another service's",
        "TOOLKIT_MY_MAIL_PORT_25_TCP_ADDR": "of Kubernetes",
        "TOOLKIT_MY_MAIL_NOSUCH": "like none of ours",
    }
    known = ["my-mail", "mail", "my-mail-long"]
    assert from_environment(environment, "my-mail", known, MailSettings) == {
        "host": Value("mail", "TOOLKIT_MY_MAIL_HOST", is_text=True),
        "password_file": Value("/run/secret", "TOOLKIT_MY_MAIL_PASSWORD_FILE", is_text=True),
        "nosuch": Value("like none of ours", "TOOLKIT_MY_MAIL_NOSUCH", is_text=True),
    }


def test_a_credential_is_the_secret_that_it_is_named_after(tmp_path: Path) -> None:
    found = credentials(tmp_path, password="hush\n", host="no secret", other="none of ours")
    settings, places = resolve(MailSettings, "[x]", [found])
    assert settings == MailSettings(password=Secret("hush"))
    assert places == {"password": "credential toolkit.my-mail.password", "host": "default"}


def test_without_systemd_there_are_none(tmp_path: Path) -> None:
    assert credentials(tmp_path) == {}
    assert from_credentials({}, "my-mail", MailSettings) == {}


def test_a_credential_that_is_misspelt_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(MailSettings, "[x]", [credentials(tmp_path, pasword="hush")])
    told = "credential toolkit.my-mail.pasword: unknown setting; did you mean 'password'?"
    assert caught.value.problems == [told]


def test_a_folder_of_credentials_that_cannot_be_read_is_told_where_it_matters(
    tmp_path: Path,
) -> None:
    gone = {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}
    with pytest.raises(SettingsError, match="none' cannot be read: No such file or dir") as caught:
        from_credentials(gone, "my-mail", MailSettings)
    assert str(caught.value).startswith("CREDENTIALS_DIRECTORY: expected a folder with credentials")
    assert from_credentials(gone, "log", LogSettings) == {}
