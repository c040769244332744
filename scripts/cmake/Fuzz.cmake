# The targets of tests/fuzz, twice: for libFuzzer in a build of their own (preset fuzz), and as an
# ordinary test that replays seeds and regressions.

# Readers in Torch modules that need no Torch themselves, so that they can be built without it.
set(GPT_FUZZ_READERS ${CMAKE_SOURCE_DIR}/src/checkpoint/manifest.cpp
    ${CMAKE_SOURCE_DIR}/src/data/token_file.cpp ${CMAKE_SOURCE_DIR}/src/data/token_shard.cpp
    ${CMAKE_SOURCE_DIR}/src/data/token_mask.cpp
    ${CMAKE_SOURCE_DIR}/src/interop/hf_config.cpp ${CMAKE_SOURCE_DIR}/src/interop/checkpoint_layout.cpp
    ${CMAKE_SOURCE_DIR}/src/interop/wrapped_names.cpp ${CMAKE_SOURCE_DIR}/src/model/parameter_table.cpp)

function(gpt_fuzz_binary name source)
  file(GLOB targets CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*targets.cpp)
  add_executable(${name} ${targets} ${GPT_FUZZ_READERS} ${CMAKE_SOURCE_DIR}/tests/fuzz/${source})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests
    ${CMAKE_SOURCE_DIR}/src/interop)
  target_compile_definitions(${name} PRIVATE GPT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE gpt_config gpt_dataprep gpt_eval gpt_metrics)
  gpt_target_defaults(${name} FALSE)
endfunction()

function(gpt_libfuzzer)
  gpt_fuzz_binary(fuzz libfuzzer.cpp)
  target_link_options(fuzz PRIVATE -fsanitize=fuzzer)
endfunction()

function(gpt_fuzz_replay)
  gpt_fuzz_binary(fuzz_test replay_test.cpp)
  target_link_libraries(fuzz_test PRIVATE GTest::gtest_main)
  gpt_discover_tests(fuzz_test fuzz ENVIRONMENT GPTTRAIN_LOG=error)
endfunction()
