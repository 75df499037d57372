# Write @OUT@, which says what exactly was built, if that has changed. Run at each build (cmake -P).
execute_process(COMMAND git describe --always --dirty --abbrev=12 --match v[0-9]*
  WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
set(text "#include \"main/build_info.h\"\n\nconst char build_commit[] = \"${commit}\";\nconst char build_type[] = \"${TYPE}\";\n")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT text STREQUAL old)
  file(WRITE ${OUT} "${text}")
endif()
