# CUDA is optional: with a toolkit the kernels are compiled for the architectures below, and
# the program still starts where no driver is present; without one the build is CPU-only.
set(GPTTRAIN_CUDA AUTO CACHE STRING "AUTO, ON or OFF: build the CUDA back end")
set_property(CACHE GPTTRAIN_CUDA PROPERTY STRINGS AUTO ON OFF)
# From the oldest that CUDA 13 knows on. A card also runs what was compiled for an older one of the same
# major number (103 what is for 100, 121 what is for 120); 120 as PTX too, for those yet to come.
set(GPTTRAIN_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 100-real 120
    CACHE STRING "What the kernels are for")

set(GPT_HAVE_CUDA FALSE)
set(GPT_CUDA_FOR "")  # what `gpttrain --version` says the kernels are for
set(_why_not "GPTTRAIN_CUDA=OFF")
if(NOT GPTTRAIN_CUDA STREQUAL "OFF")
  if(CMAKE_CUDA_COMPILER)  # named by the user, or what an earlier configuration has found
    set(GPT_HAVE_CUDA TRUE)
  else()
    gpt_find_nvcc(_nvcc _others)
    if(_nvcc)
      set(GPT_HAVE_CUDA TRUE)
      set(CMAKE_CUDA_COMPILER ${_nvcc})
    endif()
    set(_why_not "no CUDA ${GPT_CUDA_MAJOR} toolkit was found${_others}")
  endif()
  if(GPTTRAIN_CUDA STREQUAL "ON" AND NOT GPT_HAVE_CUDA)
    message(FATAL_ERROR "GPTTRAIN_CUDA=ON, but ${_why_not}. `scripts/setup --cuda` installs what is "
                        "needed; a toolkit of your own is found on PATH, in CUDACXX or in CUDA_HOME.")
  endif()
endif()

if(GPT_HAVE_CUDA)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # Torch.cmake links the one that LibTorch brings
  set(CMAKE_CUDA_ARCHITECTURES ${GPTTRAIN_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  find_package(CUDAToolkit QUIET REQUIRED)
  if(NOT CUDAToolkit_VERSION_MAJOR EQUAL GPT_CUDA_MAJOR)
    message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is of CUDA ${CUDAToolkit_VERSION}, LibTorch needs "
                        "${GPT_CUDA_MAJOR}. Leave CMAKE_CUDA_COMPILER out, and one that fits is looked for.")
  endif()
  set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 does not know nvcc 13's C++20 flag
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  string(REGEX REPLACE "([0-9]+[a-z]?)(-[a-z]+)?;?" " sm_\\1" GPT_CUDA_FOR
         "${GPTTRAIN_CUDA_ARCHITECTURES}")
  string(STRIP "${GPT_CUDA_FOR}" GPT_CUDA_FOR)
  message(STATUS "gpttrain: CUDA ${CUDAToolkit_VERSION} (${CMAKE_CUDA_COMPILER}), building for "
                 "${GPTTRAIN_CUDA_ARCHITECTURES}")
else()
  message(STATUS "gpttrain: CPU-only build (${_why_not})")
endif()
