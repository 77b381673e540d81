# hn::libtorch: LibTorch 2.11 as an imported target, the CPU set or the CUDA set, without asking for the CUDA toolkit.
#
# Looked for in HN_LIBTORCH (variable or environment), then in CMAKE_PREFIX_PATH. Three layouts are read: the libtorch archive, the
# `torch` folder of the Python wheel, and a system's prefix with its libraries below lib/ARCHITECTURE (Debian: /usr). Sets
# HN_LIBTORCH_ROOT, HN_LIBTORCH_LIB, HN_LIBTORCH_BUILD_ID and HN_LIBTORCH_CUDA.
#
# A plugin out of this tree may take another LibTorch (HN_OWN_LIBTORCH_BUILD_ID is set then, of the one that hn has): it will run in
# a process of its own, and HN_LIBTORCH_OTHER is ON.
set(HN_LIBTORCH_VERSION 2.11.0)

find_path(HN_LIBTORCH_ROOT NAMES lib/libtorch_cpu.so lib/${CMAKE_LIBRARY_ARCHITECTURE}/libtorch_cpu.so
  HINTS ${HN_LIBTORCH} $ENV{HN_LIBTORCH} ${CMAKE_PREFIX_PATH} PATH_SUFFIXES . torch libtorch NO_CACHE
  NO_CMAKE_SYSTEM_PATH NO_SYSTEM_ENVIRONMENT_PATH)  # the system's is taken where it is named, HN_LIBTORCH=/usr
if(NOT HN_LIBTORCH_ROOT)
  message(FATAL_ERROR "LibTorch ${HN_LIBTORCH_VERSION} was not found. Run ./hn setup, or name its folder "
    "(the one with lib/libtorch_cpu.so) in HN_LIBTORCH or CMAKE_PREFIX_PATH.")
endif()
get_filename_component(HN_LIBTORCH_ROOT ${HN_LIBTORCH_ROOT} REALPATH)
set(HN_LIBTORCH_LIB ${HN_LIBTORCH_ROOT}/lib)
if(NOT EXISTS ${HN_LIBTORCH_LIB}/libtorch_cpu.so)
  set(HN_LIBTORCH_LIB ${HN_LIBTORCH_ROOT}/lib/${CMAKE_LIBRARY_ARCHITECTURE})
endif()
# Where newer ones have their version, and older ones.
set(_hn_header ${HN_LIBTORCH_ROOT}/include/torch/headeronly/version.h)
if(NOT EXISTS ${_hn_header})
  set(_hn_header ${HN_LIBTORCH_ROOT}/include/torch/csrc/api/include/torch/version.h)
endif()
set(_hn_found "")
foreach(part MAJOR MINOR PATCH)
  set(_hn_line "")
  if(EXISTS ${_hn_header})
    file(STRINGS ${_hn_header} _hn_line REGEX "#define TORCH_VERSION_${part} ")
  endif()
  string(REGEX REPLACE "[^0-9]" "" _hn_line "${_hn_line}")
  list(APPEND _hn_found ${_hn_line})
endforeach()
list(JOIN _hn_found . _hn_found)

find_program(HN_READELF readelf REQUIRED)
execute_process(COMMAND ${HN_READELF} -nW ${HN_LIBTORCH_LIB}/libtorch_cpu.so
  OUTPUT_VARIABLE _hn_notes ERROR_QUIET)
if(NOT _hn_notes MATCHES "Build ID: ([0-9a-f]+)")
  message(FATAL_ERROR "${HN_LIBTORCH_LIB}/libtorch_cpu.so has no build id: plugins could not be matched to it")
endif()
set(HN_LIBTORCH_BUILD_ID ${CMAKE_MATCH_1})

set(HN_LIBTORCH_OTHER OFF)
if(HN_OWN_LIBTORCH_BUILD_ID AND NOT HN_LIBTORCH_BUILD_ID STREQUAL HN_OWN_LIBTORCH_BUILD_ID)
  set(HN_LIBTORCH_OTHER ON)
  message(STATUS "hn was built with another LibTorch (build id ${HN_OWN_LIBTORCH_BUILD_ID}): the plugin will run in a process of its own, see isolation.md")
  # The oldest that its headers were compiled and run with.
  if(_hn_found VERSION_LESS 1.13)
    message(FATAL_ERROR "expected LibTorch 1.13 or newer in ${HN_LIBTORCH_ROOT}, found '${_hn_found}'")
  endif()
elseif(NOT _hn_found STREQUAL HN_LIBTORCH_VERSION)
  message(FATAL_ERROR "expected LibTorch ${HN_LIBTORCH_VERSION} in ${HN_LIBTORCH_ROOT}, found '${_hn_found}'")
endif()

# The wheel brings libtorch_cuda.so also where CUDA's own libraries are absent; then only the CPU part can be linked.
set(HN_LIBTORCH_CUDA OFF)
if(EXISTS ${HN_LIBTORCH_LIB}/libtorch_cuda.so AND
   (EXISTS ${HN_LIBTORCH_ROOT}/../nvidia/cudnn OR EXISTS ${HN_LIBTORCH_LIB}/libcudnn.so.9))
  set(HN_LIBTORCH_CUDA ON)
endif()

if(NOT TARGET hn::libtorch)
  add_library(hn_libtorch INTERFACE)
  target_include_directories(hn_libtorch SYSTEM INTERFACE
    ${HN_LIBTORCH_ROOT}/include ${HN_LIBTORCH_ROOT}/include/torch/csrc/api/include)
  target_compile_definitions(hn_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
  target_link_directories(hn_libtorch INTERFACE ${HN_LIBTORCH_LIB})
  target_link_libraries(hn_libtorch INTERFACE torch_cpu c10)
  if(HN_LIBTORCH_CUDA)
    target_link_libraries(hn_libtorch INTERFACE -Wl,--push-state,--no-as-needed torch_cuda c10_cuda -Wl,--pop-state)
  endif()
  # libtorch_cpu.so finds its own CUDA runtime by its RPATH; the linker need not.
  target_link_options(hn_libtorch INTERFACE -Wl,--allow-shlib-undefined)
  add_library(hn::libtorch ALIAS hn_libtorch)
endif()
message(STATUS "LibTorch ${_hn_found} in ${HN_LIBTORCH_ROOT} (CUDA: ${HN_LIBTORCH_CUDA}, build id ${HN_LIBTORCH_BUILD_ID})")
