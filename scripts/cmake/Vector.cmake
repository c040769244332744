# The vector kernels are one source for each instruction set; the program picks one when it starts.
# They see no precompiled header: nothing of LibTorch may be compiled with wider instructions.
set(_vector_options -O3 -fopenmp-simd -fno-math-errno -fno-trapping-math)
set(_vector_avx2 -mavx2 -mfma)
set(_vector_avx512 -mavx2 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl
    -mprefer-vector-width=512)
foreach(isa generic avx2 avx512)
  set_source_files_properties(${CMAKE_SOURCE_DIR}/src/kernels/vector_${isa}.cpp PROPERTIES
    SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "${_vector_options};${_vector_${isa}}")
endforeach()
