# How every file of Heddle is compiled: warnings are errors, releases are hardened.
add_library(heddle_flags INTERFACE)

target_compile_options(heddle_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wvla -Wformat=2
  -Wframe-larger-than=4096 -Wstrict-prototypes -Wmissing-prototypes -Werror
  -fno-strict-aliasing -fno-common -g -include ${CMAKE_SOURCE_DIR}/src/base/banned.h
  $<$<C_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>)

if(HEDDLE_SANITIZE STREQUAL "address")
  # Stack frames grow under the sanitizer, so their size is not checked there.
  target_compile_options(heddle_flags INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-frame-larger-than -O1 -UNDEBUG)
  target_link_options(heddle_flags INTERFACE -fsanitize=address,undefined)
elseif(HEDDLE_SANITIZE STREQUAL "thread")
  target_compile_options(heddle_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer
    -Wno-frame-larger-than -O1 -UNDEBUG $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_options(heddle_flags INTERFACE -fsanitize=thread)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(heddle_flags INTERFACE
    -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fcf-protection=full -fPIE)
  target_link_options(heddle_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug" AND HEDDLE_SANITIZE STREQUAL "")
  target_compile_options(heddle_flags INTERFACE -O0)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(heddle_flags INTERFACE -flto=auto)
  target_link_options(heddle_flags INTERFACE -flto=auto -O2)
endif()
if(HEDDLE_FUZZ)
  target_compile_options(heddle_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HEDDLE_COVERAGE)
  target_compile_options(heddle_flags INTERFACE --coverage -O0)
  target_link_options(heddle_flags INTERFACE --coverage)
endif()
