# Which nvcc compiles the kernels: the first one of the right CUDA version among the user's own toolkits,
# then the one that scripts/setup brings, and last a distribution's, which on many systems is an old one.
# As a script, `cmake -P scripts/cmake/Nvcc.cmake` prints its path, or nothing.
set(GPT_CUDA_MAJOR 13)  # of the CUDA libraries in the pinned LibTorch wheel

# gpt_nvcc_candidates(OUT): most wanted first; they need not exist.
function(gpt_nvcc_candidates out)
  set(candidates $ENV{CUDACXX})
  foreach(folder "$ENV{CUDA_HOME}" "$ENV{CUDA_PATH}")
    if(folder)
      list(APPEND candidates ${folder}/bin/nvcc)
    endif()
  endforeach()
  string(REPLACE ":" ";" path "$ENV{PATH}")
  list(TRANSFORM path APPEND /nvcc)
  set(root "$ENV{GPTTRAIN_SYSTEM_ROOT}")  # a test's; see scripts/machine.sh
  set(distribution ${root}/usr/bin/nvcc ${root}/bin/nvcc)
  list(REMOVE_ITEM path ${distribution} /nvcc)
  file(GLOB versions ${root}/usr/local/cuda-${GPT_CUDA_MAJOR}*/bin/nvcc)
  list(SORT versions COMPARE NATURAL ORDER DESCENDING)
  file(GLOB brought
    ${GPT_CACHE_DIR}/venv/lib/python3*/site-packages/nvidia/cu${GPT_CUDA_MAJOR}/bin/nvcc)
  set(${out} ${candidates} ${path} ${root}/usr/local/cuda/bin/nvcc ${root}/opt/cuda/bin/nvcc ${versions}
      ${brought} ${distribution} PARENT_SCOPE)
endfunction()

# gpt_find_nvcc(OUT OTHERS): the path, or ""; OTHERS says which ones were passed over, and why.
function(gpt_find_nvcc out others)
  gpt_nvcc_candidates(candidates)
  list(REMOVE_DUPLICATES candidates)
  set(passed_over "")
  foreach(nvcc ${candidates})
    if(NOT IS_ABSOLUTE "${nvcc}")
      find_program(_gpt_named_nvcc NAMES ${nvcc} NO_CACHE)  # CUDACXX may be a name
      set(nvcc ${_gpt_named_nvcc})
      unset(_gpt_named_nvcc)
    endif()
    if(NOT EXISTS "${nvcc}" OR IS_DIRECTORY "${nvcc}")
      continue()
    endif()
    execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE words ERROR_QUIET RESULT_VARIABLE code)
    if(NOT words MATCHES "release ([0-9]+)\\.([0-9]+)")
      string(APPEND passed_over "; ${nvcc} does not say its version")
    elseif(NOT CMAKE_MATCH_1 EQUAL GPT_CUDA_MAJOR)
      string(APPEND passed_over "; ${nvcc} is CUDA ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}")
    else()
      set(${out} ${nvcc} PARENT_SCOPE)
      set(${others} "${passed_over}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${out} "" PARENT_SCOPE)
  set(${others} "${passed_over}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  set(GPT_CACHE_DIR $ENV{GPTTRAIN_CACHE})
  gpt_find_nvcc(_nvcc _others)
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${_nvcc}")
endif()
