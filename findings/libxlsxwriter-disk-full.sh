#!/usr/bin/env bash
# libxlsxwriter 1.1.4 (Debian 12): a disk that fills up makes a workbook that lacks rows, and every call succeeds.
#
# With `constant_memory` each sheet's rows go to a temporary file, which is packed into the workbook at the end. A
# limit on the size of files stands for a full disk: of 50 000 rows of XML 1 MB fits.
# Expected: an error from the row that cannot be written, or from `workbook_close`.
# Seen:     0 from all of them. The workbook is a whole ZIP file with right checksums, whose sheet breaks off within a
#           row, the 20 255th, and is no XML any more.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# Unpacks Debian packages, and all they need but the C library, into $dir/tree.
unpack() {
    mkdir -p "$dir"/apt/{lists,archives}/partial
    : >"$dir/apt/status"
    printf '%s;\n' "Dir::State::lists \"$dir/apt/lists\"" "Dir::State::status \"$dir/apt/status\"" \
        "Dir::Cache \"$dir/apt\"" 'APT::Install-Recommends "false"' 'APT::Sandbox::User ""' >"$dir/apt/conf"
    export APT_CONFIG="$dir/apt/conf"
    apt-get -qq update
    apt-get -qq --yes --download-only install "$@" >/dev/null
    local package
    for package in "$dir"/apt/archives/*.deb; do
        [[ $package == */libc6_* ]] || dpkg -x "$package" "$dir/tree"
    done
    libraries=$(find "$dir/tree" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
}
unpack libxlsxwriter4=1.1.4-2+b1

LD_LIBRARY_PATH="$libraries" python3 - "$dir" >"$dir/seen" <<'PYTHON'
import ctypes
import resource
import signal
import sys
import xml.dom.minidom
import zipfile

xlsx = ctypes.CDLL("libxlsxwriter.so.4")
pointer, number = ctypes.c_void_p, ctypes.c_double


class Options(ctypes.Structure):
    _fields_ = [("constant_memory", ctypes.c_uint8), ("tmpdir", ctypes.c_char_p), ("use_zip64", ctypes.c_uint8)]


xlsx.workbook_new_opt.restype = xlsx.workbook_add_worksheet.restype = pointer
xlsx.workbook_add_worksheet.argtypes = [pointer, ctypes.c_char_p]
xlsx.worksheet_write_number.argtypes = [pointer, ctypes.c_uint32, ctypes.c_uint16, number, pointer]
xlsx.workbook_close.argtypes = [pointer]


def rows(name):
    """What the calls return, how many rows the sheet has, and whether it is XML."""
    path = f"{sys.argv[1]}/{name}"
    workbook = xlsx.workbook_new_opt(path.encode(), ctypes.byref(Options(1, sys.argv[1].encode(), 0)))
    sheet = xlsx.workbook_add_worksheet(workbook, b"Rows")
    codes = {xlsx.worksheet_write_number(sheet, row, 0, row, None) for row in range(50_000)}
    codes.add(xlsx.workbook_close(workbook))
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    text = archive.read("xl/worksheets/sheet1.xml")
    try:
        xml.dom.minidom.parseString(text)
        kind = "whole"
    except xml.parsers.expat.ExpatError:
        kind = "broken"
    return f"codes {codes}, {text.count(b'</row>')} rows, {kind}"


print(rows("roomy.xlsx"), end="; ")
# Without this the process would be killed at the limit; a full disk kills nobody.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
print(rows("full.xlsx"))
PYTHON
printf 'libxlsxwriter 1.1.4, 50 000 rows with room; with room for 1 MB\n'
printf 'expected: codes {0}, 50000 rows, whole; an error\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == 'codes {0}, 50000 rows, whole; codes {0}, 20254 rows, broken' ]]
