# The install tree of the SDK: headers, CMake package `hn` (components: hnConfig.cmake.in), pkg-config files, pages, LibTorch.
include(CMakePackageConfigHelpers)

set(HN_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/hn)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/sdk/include/hn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
install(TARGETS hn_sdk EXPORT hn-sdk COMPONENT sdk)
set_target_properties(hn_sdk PROPERTIES EXPORT_NAME sdk)
install(EXPORT hn-sdk NAMESPACE hn:: DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)
install(FILES ${PROJECT_SOURCE_DIR}/sdk/cmake/HnAddPlugin.cmake ${PROJECT_SOURCE_DIR}/sdk/cmake/HnLibTorch.cmake
              ${PROJECT_SOURCE_DIR}/sdk/cmake/plugin.map ${PROJECT_SOURCE_DIR}/sdk/cmake/finish_manifest.cmake
              ${PROJECT_SOURCE_DIR}/sdk/cmake/pch.cpp
        DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)
configure_package_config_file(${PROJECT_SOURCE_DIR}/sdk/cmake/hnConfig.cmake.in ${PROJECT_BINARY_DIR}/hnConfig.cmake
  INSTALL_DESTINATION ${HN_CMAKE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hnConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/hnConfig.cmake ${PROJECT_BINARY_DIR}/hnConfigVersion.cmake
        DESTINATION ${HN_CMAKE_DIR} COMPONENT sdk)

# For programs and plugins without CMake: headers alone; hnhost.pc is the host's.
configure_file(${PROJECT_SOURCE_DIR}/sdk/cmake/hn.pc.in ${PROJECT_BINARY_DIR}/hn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk)
# The pages, with their links to one another.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT docs)
install(FILES ${PROJECT_SOURCE_DIR}/sdk/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/sdk COMPONENT docs)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/CONTRIBUTING.md
  ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT docs)

# LibTorch in one of two forms, in the place that every run path names: a copy, which a prefix takes along to another machine
# (component libtorch), or a link to the folder that hn was built with (component libtorch_link, installed only where it is named,
# as `./hn install --link` does). Each takes the other's place.
if(HN_WITH_LIBTORCH)
  set(_hn_place "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/hn/libtorch")
  # Through a link the copy would go into the folder that it is made of.
  install(CODE "
    if(IS_SYMLINK \"${_hn_place}\")
      file(REMOVE \"${_hn_place}\")
    endif()" COMPONENT libtorch)
  install(DIRECTORY ${HN_LIBTORCH_ROOT}/lib ${HN_LIBTORCH_ROOT}/include
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch COMPONENT libtorch USE_SOURCE_PERMISSIONS
          PATTERN "libtorch_python.so" EXCLUDE PATTERN "*.a" EXCLUDE)
  # Their licences go along: the wheels have them in *.dist-info, the archive at its top.
  file(GLOB _hn_licences ${HN_LIBTORCH_ROOT}/LICENSE* ${HN_LIBTORCH_ROOT}/NOTICE*)
  file(GLOB _hn_wheels ${HN_LIBTORCH_ROOT}/../torch-*.dist-info ${HN_LIBTORCH_ROOT}/../nvidia_*.dist-info)
  foreach(_hn_wheel IN LISTS _hn_wheels)
    get_filename_component(_hn_name ${_hn_wheel} NAME_WE)
    install(DIRECTORY ${_hn_wheel}/licenses/ DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch/licenses/${_hn_name}
            COMPONENT libtorch OPTIONAL)
  endforeach()
  install(FILES ${_hn_licences} DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch/licenses COMPONENT libtorch)
  get_filename_component(_hn_nvidia ${HN_LIBTORCH_ROOT}/../nvidia ABSOLUTE)
  if(HN_LIBTORCH_CUDA AND IS_DIRECTORY ${_hn_nvidia})
    # The wheel's libraries look for CUDA's own in ../../nvidia/*/lib.
    install(DIRECTORY ${_hn_nvidia} DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn COMPONENT libtorch USE_SOURCE_PERMISSIONS
            FILES_MATCHING PATTERN "*.so*")
  else()
    # libtorch_cpu.so looks for CUDA's runtime and profiler libraries beside itself last.
    file(GLOB _hn_cuda_runtime ${_hn_nvidia}/cu13/lib/libcudart.so.13 ${_hn_nvidia}/cu13/lib/libcupti.so.13)
    install(FILES ${_hn_cuda_runtime} DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/libtorch/lib COMPONENT libtorch)
  endif()
  install(CODE "
    get_filename_component(_hn_folder \"${_hn_place}\" DIRECTORY)
    if(IS_SYMLINK \"${_hn_place}\")
      file(REMOVE \"${_hn_place}\")
    else()
      file(REMOVE_RECURSE \"${_hn_place}\")
    endif()
    file(MAKE_DIRECTORY \"\${_hn_folder}\")
    file(CREATE_LINK \"${HN_LIBTORCH_ROOT}\" \"${_hn_place}\" SYMBOLIC)" COMPONENT libtorch_link EXCLUDE_FROM_ALL)
endif()
