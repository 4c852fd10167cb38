"""Stores a directory in a ZIP with Python's own library: store_with_zipfile.py ZIP DIRECTORY"""

import os
import sys
import zipfile

archive_path, directory = sys.argv[1:]
with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_STORED) as archive:
    for parent, _, names in sorted(os.walk(directory)):
        for name in sorted(names):
            path = os.path.join(parent, name)
            archive.write(path, os.path.relpath(path, directory))
