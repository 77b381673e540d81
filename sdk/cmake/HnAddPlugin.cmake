# hn_add_plugin(NAME KIND reward|generator SOURCES file... [MODEL file...] [MANIFEST plugin.toml] [TORCH] [LIBS target...]
#               [FILES path...] [NO_INSTALL])                             docs/hn_add_plugin.md has a page for users.
#
# Builds the bundle NAME.hnp/{plugin.toml, libNAME.so, FILES...} with every property that the ABI asks of a plugin: one exported
# symbol, no unique symbols, everything resolved at link time, a run path relative to the bundle, and without LibTorch a
# libstdc++ of its own. The manifest is checked strictly (a missing or misspelt key fails the build, with file and line), and gets
# the library's name and sha256, the ABI version of its entry and LibTorch's build id. A bundle whose build fails has no manifest.
# MODEL: files that become a static library NAME_model first, for tests that reach behind the plugin's glue.
# NO_INSTALL: a bundle for tests, neither installed nor listed in the properties HN_PLUGIN_BUNDLES and HN_PLUGIN_TARGETS.
set(HN_PLUGIN_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

# One precompiled header for all files that include ATen and autograd: 25 s once, then seconds a file. Each target that uses it
# has the same options, else the compiler leaves it unused and says so.
function(hn_make_torch_pch)
  add_library(hn_torch_pch OBJECT ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/pch.cpp)
  target_link_libraries(hn_torch_pch PRIVATE hn::torch)
  target_compile_features(hn_torch_pch PRIVATE cxx_std_20)
  set_target_properties(hn_torch_pch PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_precompile_headers(hn_torch_pch PRIVATE <ATen/ATen.h> <torch/csrc/autograd/autograd.h> <string> <vector>
    <memory> <map> <optional>)
endfunction()

function(hn_add_plugin NAME)
  cmake_parse_arguments(ARG "TORCH;NO_INSTALL" "KIND;MANIFEST" "SOURCES;MODEL;LIBS;FILES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "hn_add_plugin(${NAME}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_KIND MATCHES "^(reward|generator)$")
    message(FATAL_ERROR "hn_add_plugin(${NAME}): KIND must be reward or generator, got '${ARG_KIND}'")
  endif()
  if(ARG_TORCH AND NOT TARGET hn::torch)
    if(DEFINED HN_WITH_LIBTORCH AND NOT HN_WITH_LIBTORCH)
      message(STATUS "${NAME} needs LibTorch: left out")
      return()
    endif()
    message(FATAL_ERROR "hn_add_plugin(${NAME} TORCH): say find_package(hn COMPONENTS torch), or nn, reward or generator, which bring it")
  endif()
  foreach(lib IN LISTS ARG_LIBS)
    if(lib MATCHES "^hn::(.*)" AND NOT TARGET ${lib})
      message(FATAL_ERROR "hn_add_plugin(${NAME} LIBS ${lib}): say find_package(hn COMPONENTS ${CMAKE_MATCH_1})")
    endif()
  endforeach()
  # A project of three files and more makes its own, which all its plugins share; this tree has one already.
  list(LENGTH ARG_SOURCES files)
  list(LENGTH ARG_MODEL models)
  math(EXPR files "${files} + ${models}")
  if(ARG_TORCH AND files GREATER 2 AND NOT TARGET hn_torch_pch)
    hn_make_torch_pch()
  endif()
  if(NOT ARG_MANIFEST)
    set(ARG_MANIFEST plugin.toml)
  endif()
  get_filename_component(manifest ${ARG_MANIFEST} ABSOLUTE)
  set(here ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  set(root ${HN_PLUGIN_OUTPUT_DIR})
  if(NOT root)
    set(root ${CMAKE_BINARY_DIR}/lib/hn/plugins)
  endif()
  set(bundle ${root}/${NAME}.hnp)

  if(ARG_MODEL)
    add_library(${NAME}_model STATIC ${ARG_MODEL})
    target_link_libraries(${NAME}_model PUBLIC hn::sdk ${ARG_LIBS})
    target_include_directories(${NAME}_model PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_features(${NAME}_model PUBLIC cxx_std_20 c_std_11)
    set_target_properties(${NAME}_model PROPERTIES POSITION_INDEPENDENT_CODE ON
      C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    if(ARG_TORCH)
      target_link_libraries(${NAME}_model PUBLIC hn::torch)
      if(TARGET hn_torch_pch)
        target_precompile_headers(${NAME}_model REUSE_FROM hn_torch_pch)
      endif()
    endif()
    list(PREPEND ARG_LIBS ${NAME}_model)
  endif()
  add_library(${NAME} MODULE ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE hn::sdk ${ARG_LIBS} m)
  target_compile_features(${NAME} PRIVATE cxx_std_20 c_std_11)
  set_target_properties(${NAME} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${bundle} PREFIX lib
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    # The same bytes in the build tree and in the install tree, so that the manifest's hash holds in both.
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN;$ORIGIN/../../libtorch/lib"
    LINK_DEPENDS ${here}/plugin.map)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${NAME} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fno-gnu-unique>
                                           $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-fno-gnu-unique>)
  endif()
  target_link_options(${NAME} PRIVATE -Wl,--exclude-libs,ALL -Wl,--version-script=${here}/plugin.map)
  if(NOT HN_SANITIZE)
    target_link_options(${NAME} PRIVATE -Wl,-z,defs)
  endif()
  set(libtorch none)
  if(ARG_TORCH)
    target_link_libraries(${NAME} PRIVATE hn::torch)
    set(libtorch ${HN_LIBTORCH_BUILD_ID})
    # Its process finds this LibTorch by nothing else, and must not find the install's.
    if(HN_LIBTORCH_OTHER)
      set_target_properties(${NAME} PROPERTIES INSTALL_RPATH "$ORIGIN;${HN_LIBTORCH_LIB}")
    endif()
    if(TARGET hn_torch_pch)
      target_precompile_headers(${NAME} REUSE_FROM hn_torch_pch)
    endif()
  else()
    target_link_options(${NAME} PRIVATE $<$<LINK_LANGUAGE:CXX,CUDA>:-static-libstdc++;-static-libgcc>)
  endif()

  set(copies "")
  foreach(path IN LISTS ARG_FILES)
    get_filename_component(source ${path} ABSOLUTE)
    if(IS_DIRECTORY ${source})
      list(APPEND copies COMMAND ${CMAKE_COMMAND} -E copy_directory ${source} ${bundle}/${path})
    else()
      get_filename_component(folder ${bundle}/${path} DIRECTORY)
      list(APPEND copies COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
                         COMMAND ${CMAKE_COMMAND} -E copy_if_different ${source} ${bundle}/${path})
    endif()
  endforeach()
  # What was finished before the sources changed says nothing of them: it goes before they are compiled.
  set(changed ${manifest})
  foreach(source IN LISTS ARG_SOURCES ARG_MODEL)
    get_filename_component(source ${source} ABSOLUTE)
    if(EXISTS ${source})
      list(APPEND changed ${source})
    endif()
  endforeach()
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${NAME}_changed.stamp)
  add_custom_command(OUTPUT ${stamp} DEPENDS ${changed}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${bundle}/plugin.toml COMMAND ${CMAKE_COMMAND} -E touch ${stamp} VERBATIM
    COMMENT "")
  add_custom_target(${NAME}_changed DEPENDS ${stamp})
  add_dependencies(${NAME} ${NAME}_changed)
  add_custom_command(TARGET ${NAME} PRE_LINK COMMAND ${CMAKE_COMMAND} -E rm -f ${bundle}/plugin.toml VERBATIM)
  # As manifests name it: "linux-x86_64".
  string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" platform)
  string(REPLACE "-amd64" "-x86_64" platform ${platform})
  string(REPLACE "-arm64" "-aarch64" platform ${platform})
  # The program that checks the manifest: of this tree, or of the install.
  set(helper "")
  if(HN_BUILD_HOST)
    set(helper $<TARGET_FILE:hnhost_helper>)
  elseif(EXISTS "${HN_PREFIX}/libexec/hn/hnhost_helper")
    set(helper ${HN_PREFIX}/libexec/hn/hnhost_helper)
  endif()
  # A custom target beside the link step, so that an edited manifest or data file is taken in without a new link.
  add_custom_target(${NAME}_bundle ALL
    COMMAND ${CMAKE_COMMAND} -DMANIFEST=${manifest} -DLIBRARY=$<TARGET_FILE:${NAME}> -DOUT=${bundle}/plugin.toml
            -DKIND=${ARG_KIND} -DPLATFORM=${platform} -DLIBTORCH=${libtorch} -DHELPER=${helper} -P ${here}/finish_manifest.cmake
    ${copies} VERBATIM COMMENT "Bundling ${NAME}.hnp")
  add_dependencies(${NAME}_bundle ${NAME})
  if(HN_BUILD_HOST)
    add_dependencies(${NAME}_bundle hnhost_helper)
  endif()
  if(ARG_NO_INSTALL)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY HN_PLUGIN_BUNDLES ${bundle})
  set_property(GLOBAL APPEND PROPERTY HN_PLUGIN_TARGETS ${NAME}_bundle)

  if(NOT CMAKE_INSTALL_LIBDIR)
    set(CMAKE_INSTALL_LIBDIR lib)
  endif()
  install(DIRECTORY ${bundle} DESTINATION ${CMAKE_INSTALL_LIBDIR}/hn/plugins COMPONENT plugins USE_SOURCE_PERMISSIONS)
endfunction()

# hn_bundle_clip_vocabulary(NAME): puts OpenCLIP's vocabulary, which every published CLIP text tower has, into the bundle of the
# plugin NAME as vocabulary/.
function(hn_bundle_clip_vocabulary NAME)
  get_target_property(bundle ${NAME} LIBRARY_OUTPUT_DIRECTORY)
  if(EXISTS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../text/data)
    set(data ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../text/data)
  else()
    set(data ${HN_DATA_DIR}/text)
  endif()
  add_custom_command(TARGET ${NAME}_bundle POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E make_directory ${bundle}/vocabulary
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${data}/bpe_simple_vocab_16e6.txt.gz ${data}/README.md ${bundle}/vocabulary
    VERBATIM)
endfunction()
