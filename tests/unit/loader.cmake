# Loader, registry, configuration and C API of the host. The fakes are libraries with one property each.
if(NOT TARGET hnhost_lib)
  return()
endif()
find_package(absl REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)

set(_fakes ${PROJECT_BINARY_DIR}/tests/fakes)
set(_fake_targets "")
foreach(variant good short long newer_minor other_id other_version flagged no_create no_entry function_entry)
  add_library(fake_${variant} MODULE ${PROJECT_SOURCE_DIR}/tests/unit/loader_fake_plugin.c)
  string(TOUPPER ${variant} define)
  target_compile_definitions(fake_${variant} PRIVATE FAKE_${define})
  target_link_libraries(fake_${variant} PRIVATE hn::sdk)
  set_target_properties(fake_${variant} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${_fakes})
  list(APPEND _fake_targets fake_${variant})
endforeach()
# Another "LibTorch", by name and build id only.
add_library(fake_libtorch MODULE ${PROJECT_SOURCE_DIR}/tests/unit/loader_fake_libtorch.c)
set_target_properties(fake_libtorch PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${_fakes} OUTPUT_NAME torch_cpu)
target_link_options(fake_libtorch PRIVATE -Wl,--build-id=0x00112233445566778899aabbccddeeff00112233)
# A core without LibTorch, with simple arithmetic in place of models.
add_library(fake_core MODULE ${PROJECT_SOURCE_DIR}/tests/unit/capi_fake_core.cpp)
target_link_libraries(fake_core PRIVATE hn::sdk Threads::Threads)
target_include_directories(fake_core PRIVATE ${PROJECT_SOURCE_DIR}/host/src)
set_target_properties(fake_core PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${_fakes})
list(APPEND _fake_targets fake_libtorch fake_core)

function(_hn_add_host_test NAME)
  hn_add_test(NAME ${NAME} SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/${NAME}.cpp LIBS hnhost_internal LABELS unit)
  target_compile_definitions(${NAME} PRIVATE HN_FAKES="${_fakes}")
  add_dependencies(${NAME} ${_fake_targets})
endfunction()

foreach(name loader_manifest_test loader_manifest_refusals_test loader_manifest_build_test loader_options_test loader_scan_test loader_library_test loader_surroundings_test loader_trust_test loader_libtorch_test
             registry_registry_test registry_json_test
             config_parse_test config_prompts_test config_resolve_test config_training_prompts_test config_documentation_test capi_arguments_test capi_hooks_test capi_session_test capi_tensors_test capi_threads_test capi_search_test)
  _hn_add_host_test(${name})
endforeach()

# What the thread sanitizer looks at: a host and its sessions from many threads. LibTorch knows nothing of sanitizers, so nothing here
# loads it.
set(_hn_threads loader_library_test registry_registry_test capi_hooks_test capi_session_test capi_threads_test)
add_custom_target(thread_tests)
add_dependencies(thread_tests ${_hn_threads})
foreach(name IN LISTS _hn_threads)
  set_property(TEST ${name} APPEND PROPERTY LABELS threads)
endforeach()

# As an embedder sees it: the shared library and hnhost.h alone.
hn_add_test(NAME capi_listing_test SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/capi_listing_test.cpp
  LIBS hn::host nlohmann_json::nlohmann_json LABELS unit)
