# Language level, build type and warnings for every target of ours.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

# Line tables (-g1) make back traces readable; full debug information of ATen's headers would double
# the compile time. Same -O for both, so that dev sees every warning that stops a release build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

option(GPTTRAIN_ASAN "Build with the address and undefined-behaviour sanitizers" OFF)
option(GPTTRAIN_FUZZ "Build only the readers of files, for libFuzzer (clang), with the sanitizers" OFF)

# For those who work on the code. Another compiler has other warnings, and none of them shall keep its
# owner from a program.
option(GPTTRAIN_WERROR "Warnings are errors" OFF)

if(GPTTRAIN_WERROR)
  set(GPT_WARNINGS -Wall -Wextra -Werror)
  set(GPT_CUDA_WARNINGS --Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror)
else()
  set(GPT_WARNINGS -Wall -Wextra)
  set(GPT_CUDA_WARNINGS -Xcompiler=-Wall,-Wextra)
endif()
list(APPEND GPT_WARNINGS -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wmissing-declarations -Wundef)
# Of the product, not of its tests: options have 64 bits, and one that becomes narrower unsaid means
# something else (2^32 checkpoints to keep would be none). Signs are not asked about: array bounds that
# are template parameters, as kernels have them, are ints. Clang's warning of that name is another one.
set(GPT_PRODUCT_WARNINGS $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wconversion>)
# g++ 12 sees overlapping and overlong copies inside std::string that are not there (GCC bugs 105329
# and 105651); some of them only where the path of the clone has a certain length.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND GPT_WARNINGS -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow)
endif()

# Several files of a module as one: whoever builds all once waits half as long, whoever changes a line
# waits longer. Anonymous namespaces of one module then share their names, which the cpu preset, built
# by scripts/test, holds true.
option(GPTTRAIN_UNITY "Compile the sources of a module in batches" OFF)
if(GPTTRAIN_UNITY)
  # The first takes the batched file for a header, the second meets the names of other files.
  list(APPEND GPT_WARNINGS -Wno-subobject-linkage -Wno-shadow)
endif()

if(GPTTRAIN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  set(GPTTRAIN_ASAN ON)
endif()
if(GPTTRAIN_ASAN)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
