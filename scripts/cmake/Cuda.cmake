# CUDA is optional: with a toolkit the kernels are compiled for the architectures below, and
# the program still starts where no driver is present; without one the build is CPU-only.
set(GPTTRAIN_CUDA AUTO CACHE STRING "AUTO, ON or OFF: build the CUDA back end")
set_property(CACHE GPTTRAIN_CUDA PROPERTY STRINGS AUTO ON OFF)
# From the oldest that CUDA 13 knows on; 90 as PTX too, for newer cards.
set(GPTTRAIN_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90
    CACHE STRING "What the kernels are for")
set(GPT_CUDA_MAJOR 13)  # of the CUDA libraries in the pinned LibTorch wheel

set(GPT_HAVE_CUDA FALSE)
set(GPT_CUDA_FOR "")  # what `gpttrain --version` says the kernels are for
set(_why_not "GPTTRAIN_CUDA=OFF")
if(NOT GPTTRAIN_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  # A stock toolkit is often not on PATH.
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(GPT_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
                 PATH_SUFFIXES bin)
    if(GPT_NVCC)
      set(CMAKE_CUDA_COMPILER ${GPT_NVCC})
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    find_package(CUDAToolkit QUIET)
    if(CUDAToolkit_VERSION_MAJOR EQUAL GPT_CUDA_MAJOR)
      set(GPT_HAVE_CUDA TRUE)
    else()
      set(_why_not "the toolkit is CUDA ${CUDAToolkit_VERSION}, LibTorch needs ${GPT_CUDA_MAJOR}")
    endif()
  else()
    set(_why_not "no CUDA toolkit was found")
  endif()
  if(GPTTRAIN_CUDA STREQUAL "ON" AND NOT GPT_HAVE_CUDA)
    message(FATAL_ERROR "GPTTRAIN_CUDA=ON, but ${_why_not}. Put the bin folder of a CUDA "
                        "${GPT_CUDA_MAJOR} toolkit on PATH, set CUDACXX, or configure with "
                        "-DGPTTRAIN_CUDA=OFF.")
  endif()
endif()

if(GPT_HAVE_CUDA)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # Torch.cmake links the one that LibTorch brings
  set(CMAKE_CUDA_ARCHITECTURES ${GPTTRAIN_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 17)  # CMake 3.25 does not know nvcc 13's C++20 flag
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  string(REGEX REPLACE "([0-9]+[a-z]?)(-[a-z]+)?;?" " sm_\\1" GPT_CUDA_FOR
         "${GPTTRAIN_CUDA_ARCHITECTURES}")
  string(STRIP "${GPT_CUDA_FOR}" GPT_CUDA_FOR)
  message(STATUS "gpttrain: CUDA ${CUDAToolkit_VERSION}, building for ${GPTTRAIN_CUDA_ARCHITECTURES}")
else()
  message(STATUS "gpttrain: CPU-only build (${_why_not})")
endif()
