/* src/main/versions.c - asks each library for its version. */
#include "main/versions.h"

#include <curl/curl.h>
#include <libpq-fe.h>
#include <llhttp.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <sodium.h>
#include <sqlite3.h>
#include <uv.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

enum { LIBRARIES = 10 };

const struct library *versions_list(struct arena *a)
{
    struct library *list = arena_array(a, struct library, LIBRARIES + 1);
    struct library *at = list;
    unsigned pq = (unsigned)PQlibVersion();

    *at++ = (struct library){
        "libuv", str_fmt(a, "%d.%d.%d", UV_VERSION_MAJOR, UV_VERSION_MINOR, UV_VERSION_PATCH),
        str_c(uv_version_string())};
    *at++ = (struct library){
        "llhttp",
        str_fmt(a, "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH),
        str_fmt(a, "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH)};
    *at++ = (struct library){"OpenSSL", str_c(OPENSSL_VERSION_STR),
                             str_c(OpenSSL_version(OPENSSL_VERSION_STRING))};
    *at++ =
        (struct library){"libsodium", str_c(SODIUM_VERSION_STRING), str_c(sodium_version_string())};
    *at++ = (struct library){"SQLite", str_c(SQLITE_VERSION), str_c(sqlite3_libversion())};
    *at++ = (struct library){"libpq", str_fmt(a, "%u.%u", pq / 10000, pq % 10000),
                             str_fmt(a, "%u.%u", pq / 10000, pq % 10000)};
    *at++ = (struct library){"libcurl", str_c(LIBCURL_VERSION),
                             str_c(curl_version_info(CURLVERSION_NOW)->version)};
    *at++ = (struct library){"libyaml", str_c(yaml_get_version_string()),
                             str_c(yaml_get_version_string())};
    *at++ = (struct library){"zlib", str_c(ZLIB_VERSION), str_c(zlibVersion())};
    *at++ = (struct library){"libzstd", str_c(ZSTD_VERSION_STRING), str_c(ZSTD_versionString())};
    if (at - list != LIBRARIES)
        DIE("the list of libraries is not %d long", LIBRARIES);
    return list;
}

Str versions_compiler(struct arena *a)
{
#ifdef __clang__
    return str_fmt(a, "Clang %s", __clang_version__);
#else
    return str_fmt(a, "GCC %s", __VERSION__);
#endif
}
