# The install tree of the SDK: headers, CMake package `hn` (components: hnConfig.cmake.in), LibTorch as a link or as a copy.
include(CMakePackageConfigHelpers)

set(HN_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/hn)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/hn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
install(TARGETS hn_sdk EXPORT hn-sdk COMPONENT sdk)
set_target_properties(hn_sdk PROPERTIES EXPORT_NAME sdk)
install(EXPORT hn-sdk NAMESPACE hn:: DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)
install(FILES ${PROJECT_SOURCE_DIR}/sdk/cmake/HnAddPlugin.cmake ${PROJECT_SOURCE_DIR}/sdk/cmake/HnLibTorch.cmake
              ${PROJECT_SOURCE_DIR}/sdk/cmake/plugin.map ${PROJECT_SOURCE_DIR}/sdk/cmake/finish_manifest.cmake
        DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)
configure_package_config_file(${PROJECT_SOURCE_DIR}/sdk/cmake/hnConfig.cmake.in ${PROJECT_BINARY_DIR}/hnConfig.cmake
  INSTALL_DESTINATION ${HN_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hnConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hnConfig.cmake ${PROJECT_BINARY_DIR}/hnConfigVersion.cmake
        DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)

if(HN_WITH_LIBTORCH)
  if(HN_BUNDLE_LIBTORCH)
    # libtorch_cpu.so looks for CUDA's runtime and profiler libraries beside itself last.
    install(DIRECTORY ${HN_LIBTORCH_ROOT}/lib ${HN_LIBTORCH_ROOT}/include
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch COMPONENT libtorch USE_SOURCE_PERMISSIONS
            PATTERN "libtorch_python.so" EXCLUDE PATTERN "*.a" EXCLUDE)
    file(GLOB _hn_cuda_runtime ${HN_LIBTORCH_ROOT}/../nvidia/cu13/lib/libcudart.so.13
         ${HN_LIBTORCH_ROOT}/../nvidia/cu13/lib/libcupti.so.13)
    install(FILES ${_hn_cuda_runtime} DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch/lib COMPONENT libtorch)
  else()
    install(CODE "
      set(_hn_link \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/hn/libtorch\")
      get_filename_component(_hn_folder \"\${_hn_link}\" DIRECTORY)
      file(MAKE_DIRECTORY \"\${_hn_folder}\")
      file(CREATE_LINK \"${HN_LIBTORCH_ROOT}\" \"\${_hn_link}\" SYMBOLIC)" COMPONENT libtorch)
  endif()
endif()
