#!/bin/sh
# Install the Debian packages of the given sections of packages.txt that are missing.
#
# setup.sh [--list] SECTION...
#
# Says first what it will install. Asks only when a person sits at the terminal. Needs root or sudo only
# when something is missing; else it is done in milliseconds and without network. --list prints what is
# missing and installs nothing.
set -eu
list=$(dirname "$0")/packages.txt

only_list=no
if [ "${1:-}" = --list ]; then
    only_list=yes
    shift
fi
if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is no Debian system: nothing is installed for you; tools/packages.txt says what is needed" >&2
    exit 0
fi

# "package command" pairs of the sections, each once.
wanted=$(awk -v sections=" $* " '
    /^\[/ { on = index(sections, " " substr($1, 2, length($1) - 2) " "); next }
    on && $1 != "" && $1 !~ /^#/ && !seen[$1]++ { print $1, $2 }' "$list")
names=$(echo "$wanted" | while read -r package command; do
    [ -n "$command" ] && command -v "$command" >/dev/null || echo "$package"
done)
[ -n "$names" ] || exit 0
# shellcheck disable=SC2086 # one word for each package
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null |
    sed -n 's/^installed //p' || true)
missing=$(for p in $names; do
    case "
$installed
" in *"
$p
"*) ;; *) printf ' %s' "$p" ;; esac
done)
[ -n "$missing" ] || exit 0
if [ "$only_list" = yes ]; then
    echo "${missing# }"
    exit 0
fi

root=
if [ "$(id -u)" != 0 ]; then
    root=sudo
    if ! command -v sudo >/dev/null; then
        echo "setup: packages are missing and there is no sudo. As root, run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi

echo "Heddle ($*) needs these Debian packages and will install them${root:+ with sudo}:"
echo "   $missing" | fold -s -w 100
if [ -t 0 ] && [ -z "${CI:-}" ]; then
    printf 'Go on? [y/N] '
    read -r answer || answer=
    case $answer in
    [yY]*) ;;
    *)
        echo "Nothing was installed." >&2
        exit 1
        ;;
    esac
fi

# Test tools such as PostgreSQL and nginx come with services. Tests start their own on free ports, so the
# services are kept from starting by the way Debian has for that.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$root rm -f $policy' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
fi

apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
$apt update || echo "setup: the package lists could not be renewed; trying with the ones there are" >&2
# shellcheck disable=SC2086
$apt install -y --no-install-recommends $missing
