# The commit that is built, for bug reports; "" outside of a git checkout. A new commit configures again.
function(gpt_commit out)
  set(${out} "" PARENT_SCOPE)
  set(log ${CMAKE_SOURCE_DIR}/.git/logs/HEAD)
  find_program(GPT_GIT git)
  if(NOT GPT_GIT OR NOT EXISTS ${log})
    return()
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
  execute_process(COMMAND ${GPT_GIT} rev-parse --short=12 HEAD WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${out} "${commit}" PARENT_SCOPE)
endfunction()
