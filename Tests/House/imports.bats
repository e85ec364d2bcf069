# architecture.md, section 2: who may import whom, held against the sources, because SwiftPM does not.

load support

# Library, the libraries whose own and whose imports' imports it may use, and after "|" the bindings it hides; Glibc only where
# memory or descriptors are handled.
readonly table='
Bytes         | CBytes Glibc
JSON          Bytes |
Posix         | CPosix Glibc
Digests       Bytes | CCrypto
Filter        JSON Posix |
Postgres      Filter | CLibPQ Glibc
Manifests     Filter Digests |
Zstd          Bytes Posix | CZstd
ObjectStore   Filter Digests | CCurl
YAML          Bytes | CYaml
Partitioning  Postgres Manifests YAML |
WAL           Postgres ObjectStore Zstd |
Changes       Postgres |
Repack        Changes Partitioning |
'

# Part of the language, and without reach into the system.
readonly of_the_language='Swift Synchronization'

libraries_of_table() { awk 'NF { print $1 }' <<<"$table"; }

listed_libraries() { awk -v name="$1" '$1 == name { sub(/\|.*/, ""); $1 = ""; print }' <<<"$table"; }

listed_bindings() { awk -v name="$1" '$1 == name { sub(/.*\|/, ""); print }' <<<"$table"; }

# The listed libraries and what these may import in turn.
libraries_below() {
  local library
  for library in $(listed_libraries "$1"); do
    echo "$library"
    libraries_below "$library"
  done
}

# "FILE MODULE" for each import in the folder.
imports_in() {
  local kinds='((struct|class|enum|protocol|func|var|let|typealias) +)?' access='((public|package|internal|fileprivate|private) +)?'
  grep -rE --include='*.swift' "^ *(@[A-Za-z_()]+ +)*${access}import +${kinds}[A-Za-z_]" "$1" |
    sed -E "s/^([^:]*):.*import +$kinds([A-Za-z_0-9]+).*/\1 \4/"
}

# offenders FOLDER ALLOWED…: the imports in the folder that are not among the allowed.
offenders() {
  local folder=$1 file module
  shift
  while read -r file module; do
    [[ " $of_the_language $* " == *" $module "* ]] || echo "$file imports $module"
  done < <(imports_in "$folder")
}

@test "there are libraries and tools to look at" {
  compgen -G 'Sources/Libraries/*/*.swift' >/dev/null
  compgen -G 'Sources/Tools/*/*.swift' >/dev/null
}

@test "every library is in the table" {
  comm -23 <(ls Sources/Libraries) <(libraries_of_table | sort) | expect_none
}

@test "a library imports only what lies below it" {
  local folder name
  for folder in Sources/Libraries/*/; do
    name=$(basename "$folder")
    mapfile -t allowed < <(libraries_below "$name")
    # shellcheck disable=SC2046  # a list of words
    offenders "$folder" "${allowed[@]}" $(listed_bindings "$name")
  done | expect_none
}

@test "a tool imports libraries only: no bindings, no other tool" {
  local folder
  mapfile -t allowed < <(libraries_of_table)
  for folder in Sources/Tools/*/; do offenders "$folder" "${allowed[@]}"; done | expect_none
}

@test "each binding is imported by exactly one library" {
  local binding importers
  for binding in Sources/Bindings/*/; do
    binding=$(basename "$binding")
    importers=$(imports_in Sources/Libraries | awk -v b="$binding" '$2 == b { split($1, p, "/"); print p[3] }' | sort -u)
    [[ $(wc -w <<<"$importers") == 1 ]] || echo "$binding is imported by ${importers:-nobody}"
  done | expect_none
}

@test "bindings hold C only" {
  find Sources/Bindings -name '*.swift' | expect_none
}
