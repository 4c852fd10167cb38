#!/usr/bin/env bash
# libxlsxwriter 1.1.4 (Debian 12) and python-calamine 0.9.1: a file's name in a sheet becomes another one.
#
# In a cell `_x0041_` stands for the character of that number, and a text that only looks so has its first underscore
# written as `_x005F_` (ECMA-376, 22.4.2.4). Cameras and programs give such names: here IMG_x0041_1.jpg.
# Expected: what worksheet_write_string was given is what a reader of the standard gives back.
# Seen:     the library escapes control characters, and not what looks like an escape: the name comes back as
#           IMGA1.jpg, a line break in the middle of another. Escaped by the caller, it comes back as it was.
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
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" python-calamine==0.9.1

LD_LIBRARY_PATH="$libraries" PYTHONPATH="$dir/packages" python3 - "$dir/names.xlsx" >"$dir/seen" <<'PYTHON'
import ctypes
import sys
import python_calamine

xlsx = ctypes.CDLL("libxlsxwriter.so.4")
pointer = ctypes.c_void_p
xlsx.workbook_new.restype = xlsx.workbook_add_worksheet.restype = pointer
xlsx.workbook_add_worksheet.argtypes = [pointer, ctypes.c_char_p]
xlsx.worksheet_write_string.argtypes = [pointer, ctypes.c_uint32, ctypes.c_uint16, ctypes.c_char_p, pointer]
xlsx.workbook_close.argtypes = [pointer]

workbook = xlsx.workbook_new(sys.argv[1].encode())
sheet = xlsx.workbook_add_worksheet(workbook, b"Names")
names = ["IMG_x0041_1.jpg", "plan_x000A_2.pdf", "IMG_x005F_x0041_1.jpg"]
codes = [xlsx.worksheet_write_string(sheet, row, 0, name.encode(), None) for row, name in enumerate(names)]
assert not any(codes) and xlsx.workbook_close(workbook) == 0
rows = python_calamine.CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).to_python()
print(*[repr(row[0]) for row in rows])
PYTHON
printf 'libxlsxwriter 1.1.4, names as they are read: two as they are, one escaped by the caller\n'
printf "expected: 'IMG_x0041_1.jpg' 'plan_x000A_2.pdf' 'IMG_x005F_x0041_1.jpg'\n"
printf 'seen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == "'IMGA1.jpg' 'plan\\n2.pdf' 'IMG_x0041_1.jpg'" ]]
