# shellcheck shell=bash
# The services' own settings, read from the environment.

# Puts into $database_url the address without its password, which libpq then finds in PGPASSWORD (a command's arguments
# can be seen by others), and into $volumes the directories by their names.
read_settings() {
    [[ -n ${DATABASE_URL:-} ]] || fail "DATABASE_URL is not set. Example: postgresql://tolva:PASSWORD@localhost:5432/tolva"
    database_url=$DATABASE_URL
    if [[ $DATABASE_URL =~ ^(postgres(ql)?://[^:/@]+):([^@]*)@(.*)$ ]]; then
        database_url=${BASH_REMATCH[1]}@${BASH_REMATCH[4]}
        printf -v PGPASSWORD '%b' "${BASH_REMATCH[3]//%/\\x}"
        export PGPASSWORD
    fi
    declare -gA volumes=()
    local entry entries
    IFS=, read -ra entries <<<"${VOLUMES:-}"
    for entry in "${entries[@]}"; do
        [[ $entry =~ ^\ *([a-z0-9-]+)\ *=\ *(/.*[^\ ]|/)\ *$ ]] || fail "VOLUMES has no name=/path in '$entry'."
        volumes[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
        [[ -d ${BASH_REMATCH[2]} ]] || fail "Volume ${BASH_REMATCH[1]}: there is no directory ${BASH_REMATCH[2]}."
    done
    ((${#volumes[@]} > 0)) || fail "VOLUMES is not set. Example: main=/media/main"
}
