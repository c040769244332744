# Files as strings of the program: gpt_embed(TARGET HEADER FILE...) makes HEADER, in which page.css is
# kPage_css. As a script (cmake -P) it writes that header.
if(CMAKE_SCRIPT_MODE_FILE)
  set(text "// Made by scripts/cmake/Embed.cmake.\n#pragma once\n#include <string_view>\nnamespace gpt {\n")
  foreach(file ${FILES})
    file(READ ${file} content)
    get_filename_component(name ${file} NAME)
    string(REGEX REPLACE "[^A-Za-z0-9]" "_" name ${name})
    string(SUBSTRING ${name} 0 1 first)
    string(TOUPPER ${first} first)
    string(SUBSTRING ${name} 1 -1 rest)
    string(APPEND text "inline constexpr std::string_view k${first}${rest} = R\"embedded(${content})embedded\";\n")
  endforeach()
  string(APPEND text "}  // namespace gpt\n")
  file(WRITE ${HEADER} "${text}")
  return()
endif()

set(_gpt_embed ${CMAKE_CURRENT_LIST_FILE})
function(gpt_embed target header)
  set(folder ${CMAKE_BINARY_DIR}/embedded)
  set(paths ${ARGN})
  list(TRANSFORM paths PREPEND ${CMAKE_SOURCE_DIR}/src/)
  add_custom_command(OUTPUT ${folder}/${header}
    COMMAND ${CMAKE_COMMAND} "-DFILES=${paths}" -DHEADER=${folder}/${header} -P ${_gpt_embed}
    DEPENDS ${paths} ${_gpt_embed} VERBATIM)
  target_sources(${target} PRIVATE ${folder}/${header})
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
