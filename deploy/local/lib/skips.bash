# shellcheck shell=bash
# A test that is left out keeps no promise: in CI that takes a line with a reason in Tests/skips.txt.

# require_known_skips LOG: fails, naming them, if the run of `swift test` with this output has left out other tests than
# those. Outside CI (CI=true) machines may lack what a test needs, e.g. root.
require_known_skips() {
    local list=${BASH_SOURCE[0]%/*}/../../../Tests/skips.txt left_out unknown
    # ➜ Test "name" skipped: "why", and ➜ Suite name skipped.
    left_out=$(sed -nE 's/^.* (Test|Suite) (.+) skipped(:.*|\.?)$/\2/p' "$1" | sed -E 's/^"(.*)"$/\1/; s/\(\)$//' | sort -u)
    unknown=$(grep -vxFf <(sed -nE 's/^([^#].*) — .+$/\1/p' "$list") <<<"$left_out" | grep . || true)
    [[ -n $unknown ]] || return 0
    say "Left out, without a line in Tests/skips.txt:"
    say "$unknown"
    [[ ${CI:-} != true ]] || return 1
}
