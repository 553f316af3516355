"""Settings and logging, read only where the pieces are put together."""

from config.logs.setup import LogHandle, configure_logging
from config.settings.settings import Settings, SettingsError, ShownSetting, load_settings
from config.settings.variables import LogFormat, LogLevel

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
