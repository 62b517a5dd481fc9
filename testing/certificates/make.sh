#!/bin/sh
# Makes the certificates of this folder; see README.md.
set -eu
# It takes no argument, and what it makes replaces what is there.
if [ $# -gt 0 ]; then
    [ "$1" = --help ] && sed -n '2s/^# //p' "$0" && exit
    echo "$0: unexpected argument '$1'" >&2
    exit 2
fi
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/ca.cnf" <<END
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = CA:TRUE
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = CA:FALSE
[localhost]
basicConstraints = CA:TRUE
subjectAltName = DNS:localhost
[elsewhere]
basicConstraints = CA:TRUE
subjectAltName = DNS:elsewhere
END
: > "$work/index"

# make NAME COMMON-NAME SECTION END SIGNER...
make() {
    name=$1 cn=$2 section=$3 end=$4
    shift 4
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$name.key" \
        -out "$work/$name.csr" -subj "/CN=$cn" 2>/dev/null
    openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$name.csr" -out "$name.pem" \
        -startdate 20200101000000Z -enddate "$end" ${section:+-extensions $section} "$@" 2>/dev/null
    chmod 644 "$name.key"
}

far=21200101000000Z
make ca "Test Authority" authority $far -selfsign -keyfile ca.key
make server localhost server $far -cert ca.pem -keyfile ca.key
make client grocer client $far -cert ca.pem -keyfile ca.key
make client-v1 grocer "" $far -cert ca.pem -keyfile ca.key
make self-signed localhost localhost $far -selfsign -keyfile self-signed.key
make self-signed-elsewhere elsewhere elsewhere $far -selfsign -keyfile self-signed-elsewhere.key
make self-signed-expired localhost localhost 20200102000000Z -selfsign -keyfile self-signed-expired.key
