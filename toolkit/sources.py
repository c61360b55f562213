"""What is set outside the file and the command line: variables, and systemd's credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

from toolkit.errors import SettingsError
from toolkit.settings import Settings, Value, fields_of, nearest

# For a service of the name toolkit-echo there are TOOLKIT_ECHO_SERVICE_HOST, TOOLKIT_ECHO_PORT and
# so on (Kubernetes, "Discovering services", environment variables).
_KUBERNETES = re.compile(r"service_(?:host|port(?:_\w+)?)|port(?:_\d+_[a-z]+(?:_\w+)?)?")


def from_environment(
    environment: Mapping[str, str], name: str, known: Collection[str], record: type[Settings]
) -> dict[str, Value]:
    """The variables of one service or table: `TOOLKIT_ECHO_LISTEN`, and those like none of ours,
    for `resolve` to refuse.

    Args:
        environment: `os.environ`. An empty variable counts as not set.
        name: The service's name, or the table's.
        known: The names of all of them: a variable of a longer one is not taken for this one's.
        record: The settings.
    """
    prefix = _prefix(name)
    prefixes = {_prefix(other) for other in known} - {prefix}
    longer = tuple(other for other in prefixes if other.startswith(prefix))
    fields = fields_of(record)
    keys = [key for field in fields for key in (field.name, field.file_setting) if key]
    values = {}
    for variable, text in environment.items():
        if not text or not variable.startswith(prefix) or variable.startswith(longer):
            continue
        key = variable.removeprefix(prefix).lower()
        if key in keys or nearest(key, keys) or not _KUBERNETES.fullmatch(key):
            values[key] = Value(text, variable, is_text=True)
    return values


def _prefix(name: str) -> str:
    return f"TOOLKIT_{name.upper().replace('-', '_')}_"


def from_credentials(
    environment: Mapping[str, str], name: str, record: type[Settings]
) -> dict[str, Value]:
    """The credentials that systemd hands over for one service or table.

    Args:
        environment: `os.environ`; CREDENTIALS_DIRECTORY is where they are (systemd.exec(5),
            "Credentials").
        name: The service's name, or the table's. Its credentials are the files
            `toolkit.NAME.FIELD`, for the fields that are a Secret.
        record: The settings.

    Raises:
        SettingsError: CREDENTIALS_DIRECTORY cannot be read, and there is a Secret to look for.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    secrets = [field.name for field in fields_of(record) if field.file_setting]
    if not folder or not secrets:
        return {}
    try:
        found = sorted(os.listdir(folder))
    except OSError as error:
        reason = f"{folder!a} cannot be read: {error.strerror}"
        raise SettingsError(
            [f"CREDENTIALS_DIRECTORY: expected a folder with credentials; {reason}"]
        ) from error
    values = {}
    for credential in found:
        key = credential.removeprefix(f"toolkit.{name}.")
        if key != credential and (key in secrets or nearest(key, secrets)):
            path = os.path.join(folder, credential)
            values[key] = Value(path, f"credential {credential}", is_path=True)
    return values
