# The libraries Heddle stands on; ARCHITECTURE.md gives the reason for each, packages.txt the package.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(heddle_deps INTERFACE)
foreach(lib libuv openssl libsodium sqlite3 libpq libcurl yaml-0.1 zlib libzstd libpcre2-8 libidn2)
  string(MAKE_C_IDENTIFIER ${lib} id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${lib})
  target_link_libraries(heddle_deps INTERFACE PkgConfig::${id})
endforeach()

# Fibers: only the two assembler routines of boost.context are used, through their C ABI, linked statically.
find_library(BOOST_CONTEXT NAMES libboost_context.a REQUIRED)

# llhttp comes as C sources (Debian: node-llhttp). They are not ours: compiled without our warnings.
find_path(LLHTTP_SOURCES NAMES llhttp.c PATHS /usr/share/llhttp REQUIRED NO_DEFAULT_PATH)
find_path(LLHTTP_INCLUDE NAMES llhttp/llhttp.h PATHS /usr/share/include REQUIRED NO_DEFAULT_PATH)
add_library(llhttp STATIC ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c ${LLHTTP_SOURCES}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE} ${LLHTTP_INCLUDE}/llhttp)
target_compile_options(llhttp PRIVATE -O2 -fPIE -w)
if(HEDDLE_SANITIZE STREQUAL "address")
  target_compile_options(llhttp PRIVATE -fsanitize=address)
endif()

target_link_libraries(heddle_deps INTERFACE llhttp ${BOOST_CONTEXT} Threads::Threads m)
