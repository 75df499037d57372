# Files that become part of the binary: database migrations and the web console.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(heddle_embed_migrations out)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/store/migrate/*.sql)
  set(c ${CMAKE_BINARY_DIR}/gen/migrations.c)
  add_custom_command(OUTPUT ${c}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed.py migrations ${c} ${files}
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/tools/embed.py)
  set(${out} ${c} PARENT_SCOPE)
endfunction()

function(heddle_embed_console out)
  set(c ${CMAKE_BINARY_DIR}/gen/console.c)
  set(dist "")
  set(files "")
  if(HEDDLE_CONSOLE)
    set(dist ${CMAKE_SOURCE_DIR}/web/dist)
    file(GLOB_RECURSE files CONFIGURE_DEPENDS ${dist}/*)
  endif()
  add_custom_command(OUTPUT ${c}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed.py console ${c} ${dist}
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/tools/embed.py)
  set(${out} ${c} PARENT_SCOPE)
endfunction()
