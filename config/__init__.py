"""Settings and logging, read only where the pieces are put together."""

from config._variables import LogFormat, LogLevel
from config.logging import LogHandle, configure_logging
from config.settings import (
    Settings,
    SettingsError,
    ShownSetting,
    load_settings,
)

__all__ = [
    "LogFormat",
    "LogHandle",
    "LogLevel",
    "Settings",
    "SettingsError",
    "ShownSetting",
    "configure_logging",
    "load_settings",
]
