# hn_add_block(NAME SOURCES file... [PUBLIC target...] [PRIVATE target...] [TORCH]): one block of the SDK, a static library hn_NAME
# (hn::NAME) whose headers are hn/NAME/*.hpp. Position independent with hidden symbols: a plugin links its own copy, and nothing of
# it shows outside. Installed with the package's component NAME.
function(hn_add_block NAME)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(hn_${NAME} STATIC ${ARG_SOURCES})
  add_library(hn::${NAME} ALIAS hn_${NAME})
  target_link_libraries(hn_${NAME} PUBLIC hn_sdk ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  target_include_directories(hn_${NAME} PRIVATE ${PROJECT_SOURCE_DIR}/sdk)
  target_compile_features(hn_${NAME} PUBLIC cxx_std_20)
  set_target_properties(hn_${NAME} PROPERTIES EXPORT_NAME ${NAME}
    POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(ARG_TORCH)
    # hnConfig.cmake adds the stranger's hn::torch, over the LibTorch found there.
    target_link_libraries(hn_${NAME} PUBLIC $<BUILD_INTERFACE:hn_torch>)
    target_precompile_headers(hn_${NAME} REUSE_FROM hn_torch_pch)
  endif()
  install(TARGETS hn_${NAME} EXPORT hn-${NAME} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
  install(EXPORT hn-${NAME} NAMESPACE hn:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/hn COMPONENT sdk)
endfunction()
