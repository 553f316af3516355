"""Settings and logging, read only where the pieces are put together."""

from config.logging import LogHandle, configure_logging
from config.settings import (
    LogFormat,
    LogLevel,
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
