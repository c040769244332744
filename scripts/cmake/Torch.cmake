# LibTorch is the pinned PyTorch wheel. find_package(Torch) would insist on a CUDA toolkit, so the
# few libraries are named here; their own rpaths find the nvidia/* wheels next to them.
if(NOT EXISTS "${GPTTRAIN_TORCH}/include/ATen/ATen.h")
  file(GLOB _torch ${GPT_CACHE_DIR}/venv/lib/python3*/site-packages/torch)
  if(DEFINED ENV{GPTTRAIN_TORCH})
    set(_torch $ENV{GPTTRAIN_TORCH})
  endif()
  if(NOT EXISTS "${_torch}/include/ATen/ATen.h")
    message(FATAL_ERROR "LibTorch was not found in '${GPTTRAIN_TORCH}' or '${_torch}'. Run "
                        "scripts/setup first, or pass -DGPTTRAIN_TORCH=.../site-packages/torch.")
  endif()
  set(GPTTRAIN_TORCH "${_torch}" CACHE PATH "The torch folder of the pinned wheel" FORCE)
endif()
get_filename_component(_site_packages ${GPTTRAIN_TORCH} DIRECTORY)

file(STRINGS ${GPTTRAIN_TORCH}/version.py _torch_version REGEX "^__version__")
string(REGEX REPLACE ".*'([^']+)'.*" "\\1" GPT_TORCH_VERSION "${_torch_version}")
if(NOT GPT_TORCH_VERSION MATCHES "^2\\.11\\.0")
  message(FATAL_ERROR "gpttrain is pinned to torch 2.11.0; ${GPTTRAIN_TORCH} is ${GPT_TORCH_VERSION}. "
                      "Run scripts/setup, which installs the pinned wheel.")
endif()

function(gpt_torch_library name location)
  add_library(torch::${name} SHARED IMPORTED)
  set_target_properties(torch::${name} PROPERTIES IMPORTED_LOCATION ${location})
endfunction()

gpt_torch_library(c10 ${GPTTRAIN_TORCH}/lib/libc10.so)
gpt_torch_library(torch_cpu ${GPTTRAIN_TORCH}/lib/libtorch_cpu.so)
add_library(gpt_torch INTERFACE)
target_include_directories(gpt_torch SYSTEM INTERFACE
  ${GPTTRAIN_TORCH}/include ${GPTTRAIN_TORCH}/include/torch/csrc/api/include)
# LibTorch's loops are templates that are parallel where OpenMP is on; the wheel brings the library.
gpt_torch_library(gomp ${GPTTRAIN_TORCH}/lib/libgomp.so.1)
target_compile_options(gpt_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(gpt_torch INTERFACE torch::torch_cpu torch::c10 torch::gomp)
# The linker would follow the libraries' own needs through rpaths that it does not understand.
target_link_options(gpt_torch INTERFACE -Wl,--allow-shlib-undefined)
if(GPT_HAVE_CUDA)
  gpt_torch_library(c10_cuda ${GPTTRAIN_TORCH}/lib/libc10_cuda.so)
  # The wheel's CUDA runtime, not the toolkit's: a process must not hold two of them.
  gpt_torch_library(cudart ${_site_packages}/nvidia/cu${GPT_CUDA_MAJOR}/lib/libcudart.so.${GPT_CUDA_MAJOR})
  gpt_torch_library(cublasLt ${_site_packages}/nvidia/cu${GPT_CUDA_MAJOR}/lib/libcublasLt.so.${GPT_CUDA_MAJOR})
  # torch_cuda registers its kernels when it is loaded; no symbol of ours requests it.
  target_link_libraries(gpt_torch INTERFACE
    -Wl,--no-as-needed,${GPTTRAIN_TORCH}/lib/libtorch_cuda.so,--as-needed
    torch::c10_cuda torch::cudart torch::cublasLt)
endif()

# c10d's back ends are in the wheel's libraries; their headers include those of gloo (libgloo-dev) and
# NCCL (the wheel beside Torch's).
find_path(GPT_GLOO_INCLUDE gloo/algorithm.h REQUIRED)
add_library(gpt_gloo INTERFACE)
target_include_directories(gpt_gloo SYSTEM INTERFACE ${GPT_GLOO_INCLUDE})
if(GPT_HAVE_CUDA)
  add_library(gpt_nccl INTERFACE)
  target_include_directories(gpt_nccl SYSTEM INTERFACE ${_site_packages}/nvidia/nccl/include)
endif()
message(STATUS "gpttrain: LibTorch ${GPT_TORCH_VERSION} in ${GPTTRAIN_TORCH}")

# One precompiled ATen header for all Torch modules: 15 s once, 5 s saved in each file after it. No more
# than ATen: g++ instantiates the templates that the header left pending again in each file, and those
# of torch/csrc/autograd/custom_function.h, which three files need, would take a second in all.
add_library(gpt_torch_pch OBJECT ${CMAKE_SOURCE_DIR}/scripts/cmake/torch_pch.cpp)
target_link_libraries(gpt_torch_pch PRIVATE gpt_torch)
# g++ must keep the pragma that names the header, or ccache cannot see that it is used.
target_compile_options(gpt_torch_pch PRIVATE ${GPT_WARNINGS} $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
target_precompile_headers(gpt_torch_pch PRIVATE <ATen/ATen.h>)
