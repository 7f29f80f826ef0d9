"""A setting of the theory from plain keywords."""

from dataclasses import fields

from pairint.theory.setting import Setting


def split(arguments):
    """Return the setting in these arguments, and the others."""
    names = {field.name for field in fields(Setting)}
    setting = Setting(**{key: value for key, value in arguments.items() if key in names})
    return setting, {key: value for key, value in arguments.items() if key not in names}
