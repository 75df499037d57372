#!/usr/bin/env python3
"""Write the optional packages that a registry did not have into a package-lock.json.

    tools/lock_optional.py FOLDER/package-lock.json

Packages with native parts name one optional package for each platform. A registry copy may lack those of other
platforms; npm then leaves them out of the lock file, and `npm ci` refuses the lock file as incomplete. With an
entry that names the platform, `npm ci` sees that the package is not for this machine and leaves it alone. Run it
after every `npm install` that changed the lock file.
"""
import json
import sys

SYSTEMS = {"android": "android", "darwin": "darwin", "freebsd": "freebsd", "linux": "linux", "openbsd": "openbsd",
           "netbsd": "netbsd", "sunos": "sunos", "aix": "aix", "win32": "win32", "openharmony": "openharmony"}
CPUS = ["arm64", "x64", "ia32", "arm", "ppc64", "s390x", "riscv64", "loong64", "mips64el", "wasm32"]


def platform_of(name):
    words = name.replace("/", "-").replace("_", "-").split("-")
    system = next((SYSTEMS[w] for w in words if w in SYSTEMS), None)
    cpu = next((c for c in CPUS if c in words), None)
    if system is None and cpu == "wasm32":
        return {"cpu": ["wasm32"]}
    if system is None or cpu is None:
        return None
    return {"os": [system], "cpu": [cpu]}


def main(path):
    with open(path, encoding="utf-8") as f:
        lock = json.load(f)
    packages, added = lock["packages"], []
    for where, package in list(packages.items()):
        for name, version in package.get("optionalDependencies", {}).items():
            nested = (where + "/" if where else "") + "node_modules/" + name
            if nested in packages or "node_modules/" + name in packages:
                continue
            platform = platform_of(name)
            if platform is None:
                sys.exit("%s is missing from %s and its name tells no platform" % (name, path))
            packages["node_modules/" + name] = {"version": version.lstrip("^~"), "optional": True, "license": "MIT",
                                                **platform}
            added.append(name)
    lock["packages"] = dict(sorted(packages.items()))
    with open(path, "w", encoding="utf-8") as f:
        json.dump(lock, f, indent=2, ensure_ascii=False)
        f.write("\n")
    print("%s: %d optional packages added" % (path, len(added)))


if __name__ == "__main__":
    main(sys.argv[1])
