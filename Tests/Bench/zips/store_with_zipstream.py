"""Stores a directory in a ZIP with zipstream-ng: store_with_zipstream.py ZIP DIRECTORY"""

import sys

import zipstream

archive_path, directory = sys.argv[1:]
archive = zipstream.ZipStream.from_path(directory, compress_type=zipstream.ZIP_STORED)
with open(archive_path, "wb") as file:
    file.writelines(archive)
