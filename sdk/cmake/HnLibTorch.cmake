# hn::libtorch: LibTorch 2.11 as an imported target, the CPU set or the CUDA set, without asking for the CUDA toolkit.
#
# Looked for in HN_LIBTORCH (variable or environment), then in CMAKE_PREFIX_PATH. Both layouts are read: the libtorch archive,
# and the `torch` folder of the Python wheel. Sets HN_LIBTORCH, HN_LIBTORCH_BUILD_ID and HN_LIBTORCH_CUDA.
set(HN_LIBTORCH_VERSION 2.11.0)

find_path(HN_LIBTORCH_ROOT NAMES lib/libtorch_cpu.so
  HINTS ${HN_LIBTORCH} $ENV{HN_LIBTORCH} ${CMAKE_PREFIX_PATH} PATH_SUFFIXES . torch libtorch NO_CACHE)
if(NOT HN_LIBTORCH_ROOT)
  message(FATAL_ERROR "LibTorch ${HN_LIBTORCH_VERSION} was not found. Run ./hn setup, or name its folder "
    "(the one with lib/libtorch_cpu.so) in HN_LIBTORCH or CMAKE_PREFIX_PATH.")
endif()
get_filename_component(HN_LIBTORCH_ROOT ${HN_LIBTORCH_ROOT} REALPATH)
set(_hn_found "")
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${HN_LIBTORCH_ROOT}/include/torch/headeronly/version.h _hn_line REGEX "#define TORCH_VERSION_${part} ")
  string(REGEX REPLACE "[^0-9]" "" _hn_line "${_hn_line}")
  list(APPEND _hn_found ${_hn_line})
endforeach()
list(JOIN _hn_found . _hn_found)
if(NOT _hn_found STREQUAL HN_LIBTORCH_VERSION)
  message(FATAL_ERROR "expected LibTorch ${HN_LIBTORCH_VERSION} in ${HN_LIBTORCH_ROOT}, found '${_hn_found}'")
endif()

find_program(HN_READELF readelf REQUIRED)
execute_process(COMMAND ${HN_READELF} -nW ${HN_LIBTORCH_ROOT}/lib/libtorch_cpu.so
  OUTPUT_VARIABLE _hn_notes ERROR_QUIET)
if(NOT _hn_notes MATCHES "Build ID: ([0-9a-f]+)")
  message(FATAL_ERROR "${HN_LIBTORCH_ROOT}/lib/libtorch_cpu.so has no build id: plugins could not be matched to it")
endif()
set(HN_LIBTORCH_BUILD_ID ${CMAKE_MATCH_1})

# The wheel brings libtorch_cuda.so also where CUDA's own libraries are absent; then only the CPU part can be linked.
set(HN_LIBTORCH_CUDA OFF)
if(EXISTS ${HN_LIBTORCH_ROOT}/lib/libtorch_cuda.so AND
   (EXISTS ${HN_LIBTORCH_ROOT}/../nvidia/cudnn OR EXISTS ${HN_LIBTORCH_ROOT}/lib/libcudnn.so.9))
  set(HN_LIBTORCH_CUDA ON)
endif()

if(NOT TARGET hn::libtorch)
  add_library(hn_libtorch INTERFACE)
  target_include_directories(hn_libtorch SYSTEM INTERFACE
    ${HN_LIBTORCH_ROOT}/include ${HN_LIBTORCH_ROOT}/include/torch/csrc/api/include)
  target_compile_definitions(hn_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
  target_link_directories(hn_libtorch INTERFACE ${HN_LIBTORCH_ROOT}/lib)
  target_link_libraries(hn_libtorch INTERFACE torch_cpu c10)
  if(HN_LIBTORCH_CUDA)
    target_link_libraries(hn_libtorch INTERFACE -Wl,--push-state,--no-as-needed torch_cuda c10_cuda -Wl,--pop-state)
  endif()
  # libtorch_cpu.so finds its own CUDA runtime by its RPATH; the linker need not.
  target_link_options(hn_libtorch INTERFACE -Wl,--allow-shlib-undefined)
  add_library(hn::libtorch ALIAS hn_libtorch)
endif()
message(STATUS "LibTorch ${HN_LIBTORCH_VERSION} in ${HN_LIBTORCH_ROOT} (CUDA: ${HN_LIBTORCH_CUDA}, build id ${HN_LIBTORCH_BUILD_ID})")
