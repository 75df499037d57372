# How every file of Heddle is compiled: warnings are errors, releases are hardened.
#
# Assertions are on everywhere. HEDDLE_DEBUG marks the builds that also run the checks which cost too much
# for a release (yields where none are allowed, painted stacks): Debug and the sanitizers.
add_library(heddle_flags INTERFACE)

target_compile_options(heddle_flags INTERFACE
  -Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wconversion -Wvla -Wformat=2
  -Wframe-larger-than=4096 -Wstrict-prototypes -Wmissing-prototypes -Werror
  -fno-strict-aliasing -fno-common -g -include ${CMAKE_SOURCE_DIR}/src/base/banned.h
  $<$<C_COMPILER_ID:Clang>:-Wno-gnu-zero-variadic-macro-arguments>)

if(HEDDLE_SANITIZE STREQUAL "address")
  # Stack frames grow under the sanitizer, so their size is not checked there.
  target_compile_options(heddle_flags INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-frame-larger-than
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -O1)
  target_compile_definitions(heddle_flags INTERFACE HEDDLE_DEBUG)
  target_link_options(heddle_flags INTERFACE -fsanitize=address,undefined)
elseif(HEDDLE_SANITIZE STREQUAL "thread")
  target_compile_options(heddle_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer
    -Wno-frame-larger-than
    $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> -O1 $<$<C_COMPILER_ID:GNU>:-Wno-tsan>)
  target_compile_definitions(heddle_flags INTERFACE HEDDLE_DEBUG)
  target_link_options(heddle_flags INTERFACE -fsanitize=thread)
elseif(CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(heddle_flags INTERFACE -O0)
  target_compile_definitions(heddle_flags INTERFACE HEDDLE_DEBUG)
else()
  target_compile_options(heddle_flags INTERFACE
    -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fPIE)
  target_link_options(heddle_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    target_compile_options(heddle_flags INTERFACE -fcf-protection=full)
  endif()
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND HEDDLE_SANITIZE STREQUAL "")
  target_compile_options(heddle_flags INTERFACE -flto=auto)
  target_link_options(heddle_flags INTERFACE -flto=auto -O2)
endif()
if(HEDDLE_FUZZ)
  target_compile_options(heddle_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(HEDDLE_COVERAGE)
  target_compile_options(heddle_flags INTERFACE --coverage)
  target_link_options(heddle_flags INTERFACE --coverage)
endif()
