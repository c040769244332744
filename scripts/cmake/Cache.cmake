# The one folder outside the clone: the virtual environment with LibTorch, and ccache's files.
if(DEFINED ENV{GPTTRAIN_CACHE})
  set(GPT_CACHE_DIR $ENV{GPTTRAIN_CACHE})
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(GPT_CACHE_DIR $ENV{XDG_CACHE_HOME}/gpttrain)
else()
  set(GPT_CACHE_DIR $ENV{HOME}/.cache/gpttrain)
endif()

find_program(GPT_CCACHE ccache)
if(GPT_CCACHE)
  set(_ccache_dir ${GPT_CACHE_DIR}/ccache)
  if(DEFINED ENV{CCACHE_DIR})
    set(_ccache_dir $ENV{CCACHE_DIR})
  endif()
  # Paths below the clone are hashed as relative ones, so that the build folders of one or of several
  # clones share results; a precompiled header is only cached when its time stamps may be ignored.
  set(_ccache ${CMAKE_COMMAND} -E env CCACHE_DIR=${_ccache_dir} CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${GPT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${_ccache})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${_ccache})
  message(STATUS "gpttrain: ccache in ${_ccache_dir}")
endif()
