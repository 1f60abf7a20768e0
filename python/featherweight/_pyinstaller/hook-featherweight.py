"""What a frozen application needs of this package beside its modules."""  # noqa: N999 (PyInstaller prescribes it)

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("featherweight")  # the digits, and draw's page and networks
