# A module is a static library of src/<name>/ with its public headers in include/gpt/<name>/ and one
# test binary of tests/<name>/, sub-folders included. Linking only to lower modules keeps the layers true.

function(gpt_target_defaults target torch)
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${GPT_WARNINGS}>"
    "$<$<COMPILE_LANGUAGE:CUDA>:${GPT_CUDA_WARNINGS}>")
  target_link_libraries(${target} PRIVATE nlohmann_json::nlohmann_json CLI11::CLI11)
  if(torch)
    target_compile_options(${target} PRIVATE
      $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
    target_precompile_headers(${target} REUSE_FROM gpt_torch_pch)
    target_link_libraries(${target} PUBLIC gpt_torch)
  endif()
endfunction()

# Back ends are files: x_cuda.cpp and *.cu belong to CUDA builds, x_nocuda.cpp to the others.
function(gpt_sources out name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp
       ${CMAKE_SOURCE_DIR}/src/${name}/*.cu)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(GPT_HAVE_CUDA)
    list(FILTER sources EXCLUDE REGEX "_nocuda\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "(_cuda\\.cpp|\\.cu)$")
  endif()
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# x_avx2.cpp, x_avx512.cpp, x_avx512bf16.cpp and x_amx.cpp are compiled for processors that have
# those instructions; whoever calls them asks the processor first. They include no library: what a
# header defines inline must not come from here into the rest of the program. x_generic.cpp is
# their sibling for all processors.
# The last two flags let g++ vectorise roots and selections; nothing here reads errno or FP traps.
set(_vector_flags -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math)
set(GPT_FLAGS_generic ${_vector_flags})
set(GPT_FLAGS_avx2 ${_vector_flags} -mavx2 -mfma -ffp-contract=fast)
# g++ 12's AVX-512 headers read variables that they do not set (GCC bug 105593).
set(GPT_FLAGS_avx512 ${_vector_flags} -mavx512f -mavx512bw -mavx512vl -mfma -ffp-contract=fast
    -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized)
set(GPT_FLAGS_avx512bf16 ${GPT_FLAGS_avx512} -mavx512bf16)
set(GPT_FLAGS_amx ${GPT_FLAGS_avx512} -mamx-tile -mamx-bf16)
function(gpt_vector_sources sources)
  foreach(set generic avx2 avx512 avx512bf16 amx)
    set(chosen ${sources})
    list(FILTER chosen INCLUDE REGEX "_${set}\\.cpp$")
    set_source_files_properties(${chosen} PROPERTIES
      COMPILE_OPTIONS "${GPT_FLAGS_${set}}" SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
endfunction()

# CUDA's headers go to the back ends only: all other files compile the same way in both
# configurations and share their ccache results.
function(gpt_library name links torch)
  gpt_sources(sources ${name})
  add_library(gpt_${name} STATIC ${sources})
  target_include_directories(gpt_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/src)
  list(TRANSFORM links PREPEND gpt_)
  target_link_libraries(gpt_${name} PUBLIC ${links} Threads::Threads)
  gpt_target_defaults(gpt_${name} ${torch})
  target_compile_options(gpt_${name} PRIVATE ${GPT_PRODUCT_WARNINGS})
  set_target_properties(gpt_${name} PROPERTIES UNITY_BUILD ${GPTTRAIN_UNITY} UNITY_BUILD_BATCH_SIZE 8)
  gpt_vector_sources("${sources}")
  # Tests put back ends of their own in place of these, which an archive allows file by file.
  set(back_ends ${sources})
  list(FILTER back_ends INCLUDE REGEX "_(no)?cuda\\.cpp$")
  set_source_files_properties(${back_ends} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(GPT_HAVE_CUDA)
    list(FILTER sources INCLUDE REGEX "_cuda\\.cpp$")
    set_source_files_properties(${sources} PROPERTIES
      COMPILE_OPTIONS "-isystem;${CUDAToolkit_INCLUDE_DIRS}")
  endif()
endfunction()

# One test binary per module: linking LibTorch is the slow part.
function(gpt_module_test name torch)
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*_test.cpp)
  if(NOT tests)
    return()
  endif()
  add_executable(${name}_test ${tests})
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/src)
  target_compile_definitions(${name}_test PRIVATE GPT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name}_test PRIVATE gpt_${name} GTest::gtest_main)
  gpt_target_defaults(${name}_test ${torch})
  gpt_discover_tests(${name}_test ${name})
endfunction()

function(gpt_module name)
  cmake_parse_arguments(ARG "TORCH" "" "LINKS" ${ARGN})
  gpt_library(${name} "${ARG_LINKS}" ${ARG_TORCH})
  gpt_module_test(${name} ${ARG_TORCH})
endfunction()

# The executable: its commands are a library too, so that tests can reach them.
function(gpt_program name)
  gpt_module(${name} ${ARGN})
  target_include_directories(gpt_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  add_executable(gpttrain ${CMAKE_SOURCE_DIR}/src/${name}/main.cpp)
  target_link_libraries(gpttrain PRIVATE gpt_${name})
  gpt_target_defaults(gpttrain TRUE)
  target_compile_options(gpttrain PRIVATE ${GPT_PRODUCT_WARNINGS})
  if(TARGET ${name}_test)
    target_compile_definitions(${name}_test PRIVATE GPT_PROGRAM="$<TARGET_FILE:gpttrain>")
    add_dependencies(${name}_test gpttrain)
  endif()
endfunction()
